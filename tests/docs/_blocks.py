"""The code blocks of README.md and docs/, and what the comments before them say about them.

A block of C++ is compiled: as a program where it has a `main`, else as declarations. A block of shell is run. HTML
comments directly before a block, which no reader sees, say what is special about it:

    <!-- prelude: NAME -->      compiled within tests/docs/preludes/NAME.hpp, in place of its line `// BLOCK`
    <!-- program: NAME -->      a program that is not run by itself: it is the command NAME of its page, or at that path
    <!-- file: NAME -->         written to that file, where the commands of its page run
    <!-- setup: NAME -->        a set-up of tests/docs/test_docs.py comes first
    <!-- port: NUMBER -->       that number stands for a port which is free
    <!-- not compiled: WHY -->  (nor run)
    <!-- not run: WHY -->

`<!-- commands not run: WHY -->` anywhere in a page is for all commands of it, where they take minutes.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRELUDES = pathlib.Path(__file__).resolve().parent / "preludes"

KEYS = {"prelude", "program", "file", "setup", "port", "not compiled", "not run"}
FENCE = re.compile(r"^```(\S*)\s*$")
COMMENT = re.compile(r"^<!-- ([a-z ]+): (.+) -->$")
MAIN = re.compile(r"^int main\(", re.M)


class Block:
    def __init__(self, page, line, language, text, notes):
        self.page = page  # relative to the root
        self.line = line  # of the first line of its text
        self.language = language
        self.text = text
        self.notes = notes
        self.output = None  # the block of plain text right after it

    @property
    def place(self):
        return "%s:%d" % (self.page, self.line)

    @property
    def is_cpp(self):
        return self.language in ("cpp", "c++") and "not compiled" not in self.notes

    @property
    def is_program(self):
        return self.is_cpp and MAIN.search(self.text) is not None

    @property
    def is_run(self):
        if "not run" in self.notes or "program" in self.notes:
            return False
        return self.is_program or self.language in ("sh", "console")


def pages():
    """README.md first, then docs/ in a fixed order."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(path):
    page = path.relative_to(ROOT).as_posix()
    lines = path.read_text(encoding="utf-8").splitlines()
    no_commands = any(re.match(r"^<!-- commands not run: .+ -->$", line) for line in lines)
    blocks = []
    notes = {}
    at = 0
    is_after_block = False
    while at < len(lines):
        fence = FENCE.match(lines[at])
        comment = COMMENT.match(lines[at])
        if fence:
            end = at + 1
            while end < len(lines) and lines[end] != "```":
                end += 1
            if end == len(lines):
                raise ValueError("%s:%d: the block has no end" % (page, at + 1))
            block = Block(page, at + 2, fence[1], "\n".join(lines[at + 1 : end]) + "\n", notes)
            if block.language == "text" and is_after_block and not notes:
                blocks[-1].output = block.text
            if no_commands and block.language in ("sh", "console"):
                block.notes["not run"] = "as the whole page"
            blocks.append(block)
            notes = {}
            at = end
            is_after_block = True
        elif comment and comment[1] != "commands not run":
            if comment[1] not in KEYS:
                raise ValueError("%s:%d: no such note: %s" % (page, at + 1, comment[1]))
            notes[comment[1]] = comment[2]
        elif lines[at].strip():
            if notes:
                raise ValueError("%s:%d: the note is not directly before a block" % (page, at))
            is_after_block = False
        at += 1
    return blocks
