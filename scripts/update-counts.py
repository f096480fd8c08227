#!/usr/bin/env python3
"""Explores anew, and puts the table of counts into docs/verification.md.

    scripts/update-counts.py [PROGRAM]     default: build/dev/tests/explore/genie_explore
"""
import pathlib
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
program = sys.argv[1] if len(sys.argv) > 1 else root / "build/dev/tests/explore/genie_explore"
page = root / "docs/verification.md"
begin, end = "<!-- counts -->\n", "<!-- /counts -->"

done = subprocess.run([program], stdout=subprocess.PIPE, text=True)
if done.returncode != 0:
    sys.exit(done.stdout)
lines = done.stdout.splitlines(keepends=True)
table = "".join(line for line in lines if line.startswith("|"))
total = lines[-1].split(" bad")[0].rsplit(",", 1)[0]
text = page.read_text()
head, rest = text.split(begin)
tail = rest.split(end)[1]
page.write_text(head + begin + table + "\n" + total + ".\n" + end + tail)
print(lines[-1], end="")
