#!/usr/bin/env python3
"""What Python's and Node's users pay for the same works, each beside the bare system calls of its own language.

    pip install filelock psutil; npm install proper-lockfile      # in some scratch directory; what is absent is left out
    python3 bench/peers.py DIRECTORY…

Microseconds of processor time where nothing is waited for, else by the clock on the wall; ratios as in common.hpp.
"""
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import filelock
except ImportError:
    filelock = None
try:
    import psutil
except ImportError:
    psutil = None


def print_table(title, works):
    print(f"| {title} | µs | ratio | from | to |\n|---|---:|---:|---:|---:|")
    floor = works[0][1]
    for name, spans in works:
        ratios = sorted(span / least for span, least in zip(spans, floor))
        quarter = len(ratios) // 4
        print(f"| {name} | {statistics.median(spans):.2f} | {statistics.median(ratios):.2f} "
              f"| {ratios[quarter]:.2f} | {ratios[-1 - quarter]:.2f} |")
    print(flush=True)


def compare(title, works, times=25, rounds=200):
    spans = {name: [] for name, _ in works}
    for at in range(rounds + 1):
        for name, run in works:
            began = time.thread_time()
            for _ in range(times):
                run()
            if at > 0:
                spans[name].append((time.thread_time() - began) / times * 1e6)
    print_table(title, list(spans.items()))


def claims(directory, parent):
    path = f"{directory}/floor.pid"

    def floor():
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.write(file, b"%d\n" % os.getpid())
        os.close(file)
        os.unlink(path)

    works = [("floor: create exclusively, write, close, unlink, in Python", floor)]
    if filelock is not None:
        def lock():
            with filelock.FileLock(f"{directory}/filelock.lock"):
                pass
        works.append((f"filelock {filelock.__version__}: FileLock, no record", lock))
    compare(f"claim and release, {parent}", works)


def looks(directory, parent):
    path = pathlib.Path(directory, "owner.pid")
    path.write_text(f"{os.getpid()}\n")

    def recorded():
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        text = os.read(file, 32)
        os.close(file)
        return int(text)

    works = [("floor: open, read, close, kill 0, in Python", lambda: os.kill(recorded(), 0))]
    if psutil is not None:
        started = psutil.Process().create_time()

        def look():
            assert psutil.Process(recorded()).create_time() == started
        works.append((f"psutil {psutil.__version__}: record, Process, create_time", look))
    compare(f"is it running, {parent}", works)


def stops(rounds=40):
    def floor(server):
        os.kill(server.pid, signal.SIGTERM)
        server.wait()

    works = {"floor: kill and waitpid of a child, in Python": floor}
    if psutil is not None:
        def stop(pid):
            process = psutil.Process(pid)
            process.terminate()
            process.wait(5)
        works[f"psutil {psutil.__version__}: terminate, wait, of somebody else's child"] = stop
    spans = {name: [] for name in works}
    for at in range(rounds + 1):
        for name, stop in works.items():
            if stop is floor:
                server = subprocess.Popen(["sleep", "1000"])
                began = time.monotonic()
                stop(server)
                took = time.monotonic() - began
            else:
                # Its own parent reaps it.
                shell = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE)
                server = int(shell.stdout.readline())
                began = time.monotonic()
                stop(server)
                took = time.monotonic() - began
                shell.wait()
            if at > 0:
                spans[name].append(took * 1e6)
    print_table("stop", list(spans.items()))


NODE = """
const fs = require("fs"), directory = process.argv[2];
const lockfile = require("proper-lockfile");
const target = directory + "/target", path = directory + "/floor.pid";
fs.writeFileSync(target, "");
const works = [
  ["floor: create exclusively, write, close, unlink, in Node", () => {
    const file = fs.openSync(path, "wx", 0o600);
    fs.writeSync(file, process.pid + "\\n");
    fs.closeSync(file);
    fs.unlinkSync(path);
  }],
  ["proper-lockfile " + require("proper-lockfile/package.json").version + ": lockSync, unlockSync, no record",
   () => lockfile.lockSync(target)()],
];
for (let round = 0; round <= 200; ++round) {
  for (const [name, run] of works) {
    const began = process.cpuUsage();
    for (let time = 0; time < 25; ++time) run();
    const took = process.cpuUsage(began);
    if (round > 20) console.log(name + "\\t" + (took.user + took.system) / 25);
  }
}
process.exit(0);
"""


def node_claims(directory, parent):
    if shutil.which("node") is None:
        return
    program = pathlib.Path("node_modules/.genie-bench.cjs")  # finds what is installed here
    if not program.parent.is_dir():
        return
    program.write_text(NODE)
    done = subprocess.run(["node", program, directory], stdout=subprocess.PIPE, text=True)
    program.unlink()
    spans = {}
    for line in done.stdout.splitlines():
        name, span = line.split("\t")
        spans.setdefault(name, []).append(float(span))
    if spans:
        print_table(f"claim and release, {parent}", list(spans.items()))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for parent in sys.argv[1:]:
        with tempfile.TemporaryDirectory(dir=parent, prefix="genie-bench.") as directory:
            claims(directory, parent)
            node_claims(directory, parent)
            looks(directory, parent)
    stops()


if __name__ == "__main__":
    main()
