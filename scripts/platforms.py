#!/usr/bin/env python3
"""What was checked where: the checks record it, and docs/platforms.md is made of it.

    scripts/platforms.py record --platform "Linux aarch64" --compiler "GCC 12" --how "under qemu" --junit FILE...
    scripts/platforms.py record --platform "…" --compiler "…" --how "under qemu" --note "the core's tests" --passed 189
    scripts/platforms.py record --platform "…" --compiler "…" --how "compiled only" --note "all headers"
    scripts/platforms.py update     puts the table into docs/platforms.md
    scripts/platforms.py --check    fails if the table there is not of this form, or leaves a record out

A record is a file in build/platforms/. A row of the table that no record of this machine replaces stays: not every machine
can run every check, and each row tells when it was last run.
"""
import argparse
import datetime
import glob
import json
import os
import re
import sys
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORDS = os.path.join(ROOT, "build", "platforms")
PAGE = os.path.join(ROOT, "docs", "platforms.md")
BEGIN, END = "<!-- platforms -->\n", "<!-- /platforms -->\n"
HEAD = "| platform | compiler | checked | tests run | passed | not run there | last |\n|---|---|---|---:|---:|---:|---|\n"
HOWS = ["run natively", "under qemu", "under wine", "compiled and linked only", "compiled only"]


def counts(paths):
    """Returns (run, passed, not run) of JUnit files, as ctest and Catch2 write them."""
    tests = failed = skipped = 0
    for path in paths:
        for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
            tests += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", 0)) + int(suite.get("disabled", 0))
    return tests - skipped, tests - skipped - failed, skipped


def record(options):
    run, passed, skipped = counts(options.junit)
    row = [options.platform, options.compiler, options.how + (": " + options.note if options.note else "")]
    if options.passed:
        run = passed = options.passed
    row += [str(run), str(passed), str(skipped + options.left_out)]
    row.append(datetime.date.today().isoformat())
    os.makedirs(RECORDS, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", (options.platform + " " + options.compiler).lower()).strip("-")
    with open(os.path.join(RECORDS, name + ".json"), "w", encoding="utf-8") as stream:
        json.dump(row, stream)
    print("platforms: " + " | ".join(row))


def recorded():
    rows = []
    for path in glob.glob(os.path.join(RECORDS, "*.json")):
        with open(path, encoding="utf-8") as stream:
            row = json.load(stream)
            rows.append([cell or "0" for cell in row])  # older ones say nothing where there is nothing to count
    return rows


def read_page():
    """Returns the page before the table, its rows, the page after it."""
    with open(PAGE, encoding="utf-8") as stream:
        before, rest = stream.read().split(BEGIN)
    table, after = rest.split(END)
    if not table.startswith(HEAD):
        sys.exit("platforms: the table in docs/platforms.md has another head than this:\n" + HEAD)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[len(HEAD):].splitlines()]
    for row in rows:
        if len(row) != 7 or row[2].split(":")[0] not in HOWS:
            sys.exit("platforms: not a row of the table: %s" % row)
    return before, rows, after


def update():
    before, rows, after = read_page()
    merged = {}
    for row in rows + recorded():
        before_it = merged.get((row[0], row[1]))
        # Less does not replace more: a small program a run of tests, a part of the tests all of them.
        if before_it is None or int(row[3]) * 2 >= int(before_it[3]):
            merged[(row[0], row[1])] = row
    order = sorted(merged.values(), key=lambda row: (HOWS.index(row[2].split(":")[0]), row[0], row[1]))
    table = "".join("| " + " | ".join(row) + " |\n" for row in order)
    with open(PAGE, "w", encoding="utf-8") as stream:
        stream.write(before + BEGIN + HEAD + table + END + after)


def check():
    rows = {(row[0], row[1]) for row in read_page()[1]}
    missing = [row for row in recorded() if (row[0], row[1]) not in rows]
    for row in missing:
        print("platforms: not in docs/platforms.md, run scripts/platforms.py update: %s" % row, file=sys.stderr)
    return 1 if missing else 0


def main():
    if sys.argv[1:] == ["update"]:
        return update()
    if sys.argv[1:] == ["--check"]:
        return check()
    parser = argparse.ArgumentParser(description="see the top of this file")
    parser.add_argument("command", choices=["record"])
    parser.add_argument("--platform", required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--how", required=True, choices=HOWS)
    parser.add_argument("--note", default="")
    parser.add_argument("--junit", nargs="*", default=[])
    parser.add_argument("--passed", type=int, default=0, help="test cases, where there is no such file and all of them passed")
    parser.add_argument("--left-out", type=int, default=0, help="test cases that were not even started there")
    record(parser.parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(main())
