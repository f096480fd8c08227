#!/usr/bin/env python3
"""Generates single_include/ from include/: one header to copy, and its opt-in adapters.

The same input always gives the same bytes. Each header keeps its include guard, so the amalgam and the tree may meet in
one translation unit, in either order: whatever came first makes the other a no-op.

    scripts/amalgamate.py           writes single_include/
    scripts/amalgamate.py --check   compares with what is there; says what differs and exits 1
"""

import argparse
import difflib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = "genie/serve_guard.hpp"
ADAPTERS = ["genie/ensure.hpp", "genie/system_error.hpp", "genie/fmt.hpp", "genie/systemd.hpp"]  # each may use those before it

INCLUDE = re.compile(r'\s*#\s*include\s*(<[^>]+>|"[^"]+")')
CONDITION = re.compile(r"\s*#\s*(?:if|elif)\s+(.*)")
OPEN, TURN, CLOSE = (re.compile(rf"\s*#\s*(?:{words})\b") for words in ("if|ifdef|ifndef", "else|elif", "endif"))
KEEP = {"<cassert>", "<assert.h>"}  # their meaning may change from one inclusion to the next


class Seen:
    """What is already included at this point. What a conditional block includes is forgotten behind it."""

    def __init__(self):
        self.scopes = [set()]

    def add(self, name):
        """Returns whether name is new here."""
        new = not self.has(name)
        self.scopes[-1].add(name)
        return new

    def has(self, name):
        return any(name in scope for scope in self.scopes)

    def follow(self, line):
        if OPEN.match(line):
            self.scopes.append(set())
        elif TURN.match(line):
            self.scopes[-1] = set()
        elif CLOSE.match(line):
            self.scopes.pop()


class Amalgam:
    def __init__(self, tree, provided=None):
        self.tree = tree
        self.provided = provided or {}  # header -> the generated file that has it
        self.seen = Seen()
        self.conditions = []  # of the conditional blocks around, from the outermost: alternatives, or nothing if unknown
        self.seen_if = {}  # header -> conditions each of which is enough for it to be included already
        self.headers = set()
        self.lines = []

    def inline(self, name):
        """Appends a header, its own genie includes replaced by their text."""
        self.headers.add(name)
        guard = name.upper().replace("/", "_").replace(".", "_")
        lines = (self.tree / name).read_text(encoding="utf-8").splitlines()
        guarded = f"#ifndef {guard}" in lines and f"#define {guard}" in lines
        if not guarded or "#pragma once" in lines:
            sys.exit(f"{name}: the include guard must be {guard}, and no #pragma once")
        depth = 0  # of conditionals, the guard apart: it skips only what was included before
        outer_conditions = len(self.conditions)
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            if found:
                self.include(found[1], line, f"{name}:{number}")
                continue
            closes_guard = CLOSE.match(line) and depth == 0
            if line != f"#ifndef {guard}" and not closes_guard:
                if OPEN.match(line):
                    self.include_what_branches_share(lines[number - 1 :])
                self.seen.follow(line)
                self.follow_conditions(line)
                depth += bool(OPEN.match(line)) - bool(CLOSE.match(line))
            self.lines.append(line)
        assert len(self.conditions) == outer_conditions, name

    def follow_conditions(self, line):
        if TURN.match(line) or CLOSE.match(line):
            self.conditions.pop()
        if not CLOSE.match(line) and (OPEN.match(line) or TURN.match(line)):
            found = CONDITION.match(line)
            self.conditions.append({found[1]} if found else set())

    def reached_from(self, name):
        """The headers that one includes, directly or not, and itself: each behind those that it needs."""
        reached = {}
        for line in (self.tree / name).read_text(encoding="utf-8").splitlines():
            found = INCLUDE.match(line)
            if found and found[1][1:-1].startswith("genie/"):
                reached.update(dict.fromkeys(self.reached_from(found[1][1:-1])))
        return [*reached, name]

    def include_what_branches_share(self, lines):
        """Appends once what several branches of the conditional that `lines` begin with would have once each."""
        conditions = {}  # header -> those of the branches that include it
        depth = 0
        for line in lines:
            depth += bool(OPEN.match(line)) - bool(CLOSE.match(line))
            if depth == 0:
                break
            if depth == 1 and (OPEN.match(line) or TURN.match(line)):
                found = CONDITION.match(line)
                branch = found[1] if found else None
            found = INCLUDE.match(line)
            if found and branch and found[1][1:-1].startswith("genie/"):
                for name in self.reached_from(found[1][1:-1]):
                    conditions.setdefault(name, {})[branch] = True
        for name, branches in conditions.items():
            known = name in self.provided or self.seen.has(name) or branches.keys() <= self.seen_if.get(name, set())
            if len(branches) < 2 or known:
                continue
            either = " || ".join(branch if re.fullmatch(r"defined\(\w+\)", branch) else f"({branch})" for branch in branches)
            self.lines += ["", f"#if {either}"]
            self.seen.follow("#if")
            self.conditions.append(set(branches))
            self.inline(name)
            self.conditions.pop()
            self.seen.follow("#endif")
            self.lines.append("#endif")
            self.seen_if.setdefault(name, set()).update(branches)

    def is_seen_here(self, name):
        """Whether a condition under which it was included holds here."""
        return any(around and around <= self.seen_if.get(name, set()) for around in self.conditions)

    def include(self, spelled, line, place):
        name = spelled[1:-1]
        if name.startswith("genie/"):
            if name in self.provided:
                provider = self.provided[name]
                if self.seen.add(provider):
                    self.lines.append(f"#include <{provider}>")
            elif not self.is_seen_here(name) and self.seen.add(name):
                self.inline(name)
        elif spelled.startswith('"'):
            sys.exit(f"{place}: {spelled}: paths start at the include directory, with genie/")
        elif spelled in KEEP or self.seen.add(spelled):
            self.lines.append(line)

    def text(self, name, version):
        banner = [
            f"// {name} of genie {version}, generated by scripts/amalgamate.py: edit include/genie/ instead.",
            "// SPDX-License-Identifier: MIT",
            "// Copyright (c) 2026 genie contributors",
            "",
        ]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(banner + self.lines)) + "\n"  # dropped includes leave gaps


def generate(tree):
    """Returns the content of each generated file by its path below single_include/."""
    version = re.search(r'#define GENIE_VERSION_STRING "([^"]+)"', (tree / "genie/version.hpp").read_text())[1]
    files, provided = {}, {}
    for name in [CORE, *ADAPTERS]:
        amalgam = Amalgam(tree, provided)
        amalgam.include(f"<{name}>", "", "the entry point")
        files[name] = amalgam.text(name, version)
        provided.update(dict.fromkeys(amalgam.headers, name))
    return files


def check(name, expected, path):
    """Says how the committed file differs; returns whether it does not."""
    present = path.read_text(encoding="utf-8") if path.exists() else ""
    if present == expected:
        return True
    print(f"single_include/{name} is stale; regenerate it with scripts/amalgamate.py")
    old, new = present.splitlines(), expected.splitlines()
    hint = difflib.unified_diff(old, new, "committed", "regenerated", n=0, lineterm="")
    print("\n".join(list(hint)[:20]))
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--tree", type=Path, default=ROOT / "include", help="where to read (default: include/)")
    parser.add_argument("--output", type=Path, default=ROOT / "single_include", help="where to write")
    options = parser.parse_args()

    files = generate(options.tree)
    if options.check:
        sys.exit(0 if all([check(name, text, options.output / name) for name, text in files.items()]) else 1)
    for name, text in files.items():
        path = options.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
