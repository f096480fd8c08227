#!/usr/bin/env python3
"""Does what README.md tells a new user, in a bare Debian, with a stopwatch: from the first `apt-get` to a guarded program of one's own.

    scripts/new-user.py [ROUTE...]      of: "One header", CMake, "Conan 2"; all where none is named

Needs root, and debootstrap (`apt-get install debootstrap`). What is tried are the lines of the README themselves. The bare root is kept in
build/new-user, each route has a copy of it. Where the network has a certificate authority of its own, PIP_CERT names it.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/docs"))
sys.dont_write_bytecode = True

import _blocks

WORK = ROOT / "build/new-user"
ENTER = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$1" /usr/bin/env -i HOME=/root LANG=C.UTF-8 ' \
        'PIP_CERT="$3" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd && $2"'


def bare_root():
    root = WORK / "bare"
    if not (root / "usr/bin/apt-get").exists():
        WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root], check=True,
                       stdout=subprocess.DEVNULL)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return root


def routes():
    """By name: what apt-get installs, and the blocks of the README, in their order."""
    text = (ROOT / "README.md").read_text()
    begin = text[: text.index("## Your first guarded program")].count("\n")
    end = text[: text.index("## ", text.index("## Your first guarded program") + 3)].count("\n")
    blocks = [block for block in _blocks.blocks_of(ROOT / "README.md") if begin < block.line <= end]
    files = {block.notes["file"]: block.text for block in blocks if "file" in block.notes}
    last = next(block.text for block in blocks if block.language == "console")
    lines = text.splitlines()
    found = {}
    for block in blocks:
        if block.language != "sh":
            continue
        # The paragraph before it that begins with a bold name.
        at = max(number for number in range(block.line) if lines[number].startswith("**"))
        name, packages = re.match(r"\*\*(.+?)\*\*.*?`apt-get install ([^`]+)`", lines[at]).groups()
        own = dict(files)
        if "find_package" in lines[at]:
            own["CMakeLists.txt"] = own["CMakeLists.txt"].replace("add_subdirectory(genie)", "find_package(genie REQUIRED)")
        found[name] = (packages, block.text, own)
    return found, last


def run(root, command):
    certificates = os.environ.get("PIP_CERT", "")
    if certificates:
        shutil.copy(certificates, root / "root/certificates.pem")
    done = subprocess.run(["unshare", "-m", "bash", "-c", ENTER, "bash", root, command, "/root/certificates.pem" if certificates else ""],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit("%s\nends with status %d:\n%s" % (command, done.returncode, done.stdout))
    return done.stdout


def try_route(name, packages, build, files, console):
    root = WORK / "user"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", WORK / "bare", root], check=True)
    (root / "root/genie").mkdir()
    archive = subprocess.Popen(["git", "-C", ROOT, "archive", "HEAD"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", root / "root/genie"], stdin=archive.stdout, check=True)
    began = time.monotonic()
    run(root, "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq " + packages)
    installed = time.monotonic()
    for file, text in files.items():
        (root / "root" / file).write_text(text)
    (root / "root/build.sh").write_text(build)
    (root / "root/use.sh").write_text("".join(line[2:] + "\n" for line in console.splitlines() if line.startswith("$ ")))
    run(root, "bash -eu build.sh")
    shown = run(root, "bash use.sh")
    if shown.count("it is ours") != 2 or shown.count("not started") != 1:
        sys.exit("%s: not what the README shows:\n%s" % (name, shown))
    ended = time.monotonic()
    print("%-10s  %3.0f s: %3.0f s to install %s; %.0f s to build and try it" % (
        name, ended - began, installed - began, packages, ended - installed), flush=True)
    shutil.rmtree(root)


def main():
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        sys.exit(__doc__)
    bare_root()
    found, console = routes()
    for name in sys.argv[1:] or found:
        try_route(name, *found[name], console)


if __name__ == "__main__":
    main()
