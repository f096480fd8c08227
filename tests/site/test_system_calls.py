#!/usr/bin/env python3
"""docs/architecture.md explains each system call that the Linux policies make, and no other."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["linux", "posix"]  # what Linux is made of
# Functions of the C library that are no system calls, or are another one's wrapper that the tables name.
NO_CALLS = {"sigemptyset", "sigfillset", "sigismember", "_exit", "sysconf", "strerror", "memcpy", "strlen", "fork"}
ALSO_NAMED = {"fork"}  # as the way out where `clone` is refused


def made():
    """Names of the calls in the sources, without `SYS_`."""
    names = set()
    for folder in FOLDERS:
        for path in (ROOT / "include/genie" / folder).glob("*.hpp"):
            code = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
            names |= set(re.findall(r"(?<![\w>])::(\w+)\(", code)) | set(re.findall(r"\bSYS_(\w+)", code))
            names |= set(re.findall(r"(?<![\w:.>])(clock_gettime|nanosleep)\(", code))
    names = {name.removesuffix("64") if name in ("fstat64", "fstatat64") else name for name in names}  # of 32-bit programs
    return names - NO_CALLS - {"syscall"}


def explained():
    """Names in the first columns of the two tables."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = text.split("## Why each system call is there")[1].split("\n## ")[0]
    names = set()
    for row in re.findall(r"^\|([^|]*)\|", section, re.MULTILINE):
        names |= {name for name in re.findall(r"`(\w+)`", row) if name.islower()}
    return names


class SystemCalls(unittest.TestCase):
    def test_that_are_made_are_explained(self):
        self.assertGreater(len(made()), 30)
        self.assertEqual(sorted(made() - explained()), [])

    def test_that_are_explained_are_made(self):
        self.assertEqual(sorted(explained() - made() - ALSO_NAMED), [])


if __name__ == "__main__":
    unittest.main()
