"""What README.md and docs/ show is tried: each program and each command, in the order of its page, with its output.

A page is tried in an empty directory of its own, as a user whose home is /home/me there. The output must be what the block of
plain text after it says, or, in a block of `console`, what follows the line with `$ `. In these texts `…` stands for anything, a
line of it for any lines; PIDs, times and dates may differ, but the same PID stands for the same process all over the page.

A block that no test sees is easily made by a typing error; so a page whose blocks are not all of a known kind fails, too.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))

import _blocks
from _support import GENIE, OK, PATIENCE, ROUNDS, GenieTest, free_port

PROGRAM = os.environ.get("GENIE_DOCS_PROGRAM", "")
EXAMPLES = os.environ.get("GENIE_EXAMPLES", "")

# Languages of which nothing but their spelling could be tested.
UNTESTED = {"", "text", "ini", "json", "js", "xml", "dockerfile", "cmake", "python", "yaml", "mermaid", "diff", "toml"}

WILD = re.compile(
    r"(?P<anything>…)"
    r"|\bPID (?P<pid>\d+)"
    r"|(?P<date>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"
    r"|\b(?P<span>\d+(?:\.\d+)? ?(?:ms|µs|s|seconds))\b"
    r"|(?P<before>\b(?:started at|recorded|recorded start|user|\"pid\":|\"server_pid\":|\"start\":) ?)(?P<number>\d+)"
    r"|\b(?P<identity>\d+:\d+)\b"
)


def pattern(expected, known):
    """A regular expression for the text. `known` are the PIDs that the page has named so far, by what they really were."""
    lines = []
    named = set()

    def line_pattern(line):
        parts = []
        at = 0
        for wild in WILD.finditer(line):
            parts.append(re.escape(line[at : wild.start()]))
            at = wild.end()
            if wild["anything"]:
                parts.append(".*")
            elif wild["pid"]:
                pid = wild["pid"]
                if pid in known:
                    parts.append("PID " + known[pid])
                elif pid in named:
                    parts.append("PID (?P=pid%s)" % pid)
                else:
                    named.add(pid)
                    parts.append(r"PID (?P<pid%s>\d+)" % pid)
            elif wild["date"]:
                parts.append(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
            elif wild["span"]:
                parts.append(r"\d+(?:\.\d+)? ?(?:ms|µs|s|seconds)")
            elif wild["identity"]:
                parts.append(r"\d+:\d+")
            else:
                parts.append(re.escape(wild["before"]) + r"\d+")
        return "".join(parts) + re.escape(line[at:])

    for line in expected.splitlines():
        lines.append(r"(?:.*\n)*" if line.strip() == "…" else line_pattern(line.rstrip()) + "\n")
    return re.compile("".join(lines))


def is_open(command):
    """Whether a shell would go on reading: a quote has not been closed."""
    return command.count("'") % 2 == 1


def commands(console):
    """The commands of a `console` block, each as its lines: those with `$ `, and those with which a shell would go on."""
    found = []
    continues = False
    for line in console.splitlines():
        if continues:
            found[-1].append(line)
        elif line.startswith("$ "):
            found.append([line])
        else:
            continue
        continues = line.endswith("\\") or is_open("\n".join(found[-1]))
    return found


class Docs(GenieTest):
    """How the blocks of a page are tried."""

    def setUp(self):
        super().setUp()
        self.known = {}
        self.ports = {}
        for folder in ("bin", "here", "home/me", "var/lib", "srv", "run", "usr/libexec"):
            (self.root / folder).mkdir(parents=True)
        self.environment.update(
            HOME=str(self.root / "home/me"),
            GENIE_DOCS_ROOT=str(self.root),
            PATH=os.pathsep.join([str(self.root / "bin"), os.path.dirname(GENIE), EXAMPLES, os.environ["PATH"]]),
        )
        self.program = PROGRAM

    def with_postgres(self):
        """`postgres` and `psql` in the path, a cluster in `data`, and no right to more."""
        import _postgres

        if _postgres.BIN is None:
            self.skipTest("PostgreSQL is not installed")
        self.drop_privileges("postgres")
        if self.identity:
            self.program = shutil.copy(PROGRAM, self.root / "blocks")
            shutil.copy(GENIE, self.root / "bin/genie")
            for folder, _, files in os.walk(self.root):
                self.give_away(folder, *(os.path.join(folder, name) for name in files))
        self.environment["PATH"] += os.pathsep + _postgres.BIN
        user = self.begin("id", "-un").finish().out.strip()
        made = self.begin("initdb", "-D", "data", "-U", user, "-A", "trust", "--no-sync", cwd=self.root / "here", **self.identity)
        self.assertExit(made.finish(60), OK)
        with open(self.root / "here/data/postgresql.conf", "a") as conf:
            conf.write("unix_socket_directories = '%s'\nfsync = off\n" % self.root)

    def with_checkout(self):
        """A checkout of this repository in `genie`, as far as is needed: a copy, because this one may be out of that user's reach."""
        for name in ("CMakeLists.txt", "LICENSE", "cmake", "include", "single_include"):
            copy = shutil.copytree if (_blocks.ROOT / name).is_dir() else shutil.copy
            (self.root / "here/genie").mkdir(exist_ok=True)
            copy(_blocks.ROOT / name, self.root / "here/genie" / name)

    SETUPS = {"postgres": with_postgres, "checkout": with_checkout}

    def place_of(self, program):
        """A program with a path of its own is there; others are found by their names."""
        return str(self.root) + program if program.startswith("/") else self.root / "bin" / program

    def localized(self, text):
        for shown, port in self.ports.items():
            text = text.replace(shown, str(port))
        return text

    def finish(self, *arguments):
        done = self.begin(*arguments, cwd=self.root / "here", stderr=subprocess.STDOUT).finish(2 * PATIENCE)
        done.out = done.out.replace(str(self.root), "")
        return done

    def compare(self, block, expected, actual):
        found = pattern(self.localized(expected), self.known).fullmatch(actual)
        if not found:
            self.fail("%s shows\n\n%s\nbut it is\n\n%s" % (block.place, expected, actual))
        self.known.update((name[3:], pid) for name, pid in found.groupdict().items())

    def try_block(self, block):
        if "port" in block.notes and block.notes["port"] not in self.ports:
            self.ports[block.notes["port"]] = free_port()
        if "file" in block.notes:
            (self.root / "here" / block.notes["file"]).write_text(self.localized(block.text))
        if not block.is_run:
            return
        if block.language == "console":
            script = ""
            for lines in commands(self.localized(block.text)):
                command = "\n".join(line.removeprefix("> ") if at > 0 else line for at, line in enumerate(lines))[2:]
                script += "printf '%%s\\n' %s\n(exit $status)\n%s\nstatus=$?\n" % (shlex.quote("\n".join(lines)), command)
            done = self.finish("bash", "-c", "status=0\n" + script)
            self.compare(block, block.text, done.out)
            return
        if block.language == "sh":
            done = self.finish("bash", "-euo", "pipefail", "-c", self.localized(block.text))
        else:
            done = self.finish(self.program, block.place)
        self.assertEqual(done.code, OK, "%s ends with status %d:\n%s" % (block.place, done.code, done.text))
        if block.output is not None:
            self.compare(block, block.output, done.out)

    def try_page(self, path):
        blocks = _blocks.blocks_of(path)
        for block in blocks:
            if "setup" in block.notes:
                self.SETUPS[block.notes["setup"]](self)
        self.environment["GENIE_DOCS_PAGE"] = path.relative_to(_blocks.ROOT).as_posix()
        for block in blocks:
            if "program" in block.notes:
                self.assertTrue(block.is_program, "%s: a program without a main" % block.place)
                os.symlink(self.program, self.place_of(block.notes["program"]))
        for block in blocks:
            known = block.is_cpp or block.language in {"cpp", "c++", "sh", "console"} | UNTESTED
            self.assertTrue(known, "%s: a block of an unknown language, %s" % (block.place, block.language))
            self.try_block(block)


class Pages(Docs):
    """README.md, and all that is not in one of these:"""


class Guide(Docs):
    """docs/guide"""


class Recipes(Docs):
    """docs/recipes"""


def add_page(path):
    name = "test_" + re.sub(r"\W+", "_", path.relative_to(_blocks.ROOT).with_suffix("").as_posix().lower())
    case = {"guide": Guide, "recipes": Recipes}.get(path.parent.name, Pages)
    setattr(case, name, lambda self: self.try_page(path))


for page in _blocks.pages():
    add_page(page)


class Alone(unittest.TestCase):
    """All blocks are compiled together; whoever copies a program has only what it includes."""

    @unittest.skipIf(ROUNDS == 1, "a nightly test")
    def test_each_program_has_all_its_includes(self):
        compiler = shlex.split(os.environ.get("CXX", "g++"))
        for path in _blocks.pages():
            for block in _blocks.blocks_of(path):
                if not block.is_program or "prelude" in block.notes:
                    continue
                with self.subTest(block.place):
                    include = "-I%s" % (_blocks.ROOT / "include")
                    done = subprocess.run([*compiler, "-std=c++20", include, "-fsyntax-only", "-x", "c++", "-"],
                                          input=block.text, text=True, capture_output=True)
                    self.assertEqual(done.returncode, 0, "%s:\n%s" % (block.place, done.stderr))


NAMED_TESTS = re.compile(r"\[(tests/[^\]]+)\]\([^)]+\):((?:\s+`[^`]+`,?)+)")


class Proofs(unittest.TestCase):
    def test_a_test_that_proves_something_exists(self):
        for path in _blocks.pages():
            page = path.read_text()
            if path.parent.name == "recipes" and path.name != "README.md":
                self.assertRegex(page, NAMED_TESTS, "%s names no test" % path.name)
            for file, names in NAMED_TESTS.findall(page):
                tests = (_blocks.ROOT / file).read_text()
                for name in re.findall(r"`([^`]+)`", names):
                    with self.subTest(path.name, file=file, name=name):
                        self.assertIn('TEST_CASE("%s"' % name if file.endswith(".cpp") else "def %s(" % name, tests)


class Texts(unittest.TestCase):
    """The comparison itself."""

    def matches(self, expected, actual, known=None):
        return pattern(expected, known or {}).fullmatch(actual) is not None

    def test_what_differs_is_noticed(self):
        self.assertTrue(self.matches("running\n", "running\n"))
        self.assertFalse(self.matches("running\n", "stopped\n"))
        self.assertFalse(self.matches("running\n", "running\nand more\n"))
        self.assertFalse(self.matches("port 5433\n", "port 5434\n"))

    def test_pids_and_times_may_differ_but_a_pid_stays_the_same(self):
        self.assertTrue(self.matches("started (PID 1)\nstopped (PID 1) in 2 ms\n", "started (PID 7)\nstopped (PID 7) in 1.5 s\n"))
        self.assertFalse(self.matches("started (PID 1)\nstopped (PID 1)\n", "started (PID 7)\nstopped (PID 8)\n"))
        self.assertFalse(self.matches("stopped (PID 1)\n", "stopped (PID 8)\n", {"1": "7"}))

    def test_an_ellipsis_is_anything(self):
        self.assertTrue(self.matches("a … c\n…\nz\n", "a b c\nd\ne\nz\n"))
        self.assertFalse(self.matches("a … c\n", "a b\n"))


if __name__ == "__main__":
    unittest.main()
