#!/usr/bin/env python3
"""Reads what llvm-cov exported, says what of include/genie no test reached, and fails where that is not excused.

    report.py EXCEPTIONS EXPORT.json...

The union counts: over the instantiations of a template, and over the exports. Three things are looked for: code that
was never executed, branches of which one side was never taken, and functions that no test program contains at all
(a template that nobody instantiates has no counters).

An exception is an indented reason below a line `FILE: WHAT: TEXT`; WHAT is `code`, `true` or `false` (that side of a
branch), TEXT a part of the source line, so that nothing depends on line numbers. ` @ CONDITION` behind it picks one of
several conditions on that line.
"""
import collections
import json
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
headers = root / "include" / "genie"


class Exceptions:
    def __init__(self, path):
        self.entries = []  # [file, what, text, reason, matches]
        for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith(" "):
                if not self.entries:
                    sys.exit(f"{path}:{number}: a reason for nothing")
                self.entries[-1][3] += line.strip()
                continue
            parts = line.split(": ", 2)
            if len(parts) != 3 or parts[1] not in ("code", "true", "false"):
                sys.exit(f"{path}:{number}: not `FILE: code|true|false: TEXT`")
            self.entries.append([*parts, "", 0])
        for file, what, text, reason, _ in self.entries:
            if not reason:
                sys.exit(f"{path}: no reason for {file}: {what}: {text}")

    def excuse(self, file, what, line, message):
        excused = False
        for entry in self.entries:
            text, _, condition = entry[2].partition(" @ ")
            if entry[:2] == [file, what] and text in line and (not condition or message.endswith(": " + condition)):
                entry[4] += 1
                excused = True
        return excused


class Header:
    def __init__(self):
        self.regions = collections.Counter()  # (line, column, end line, end column) -> executions
        self.branches = {}  # the same -> [taken, not taken]
        self.lines = {}  # line -> executions
        self.conditions = {}  # a decision -> which of its conditions decided it once


def lines_of(segments):
    """Executions of each line, as llvm-cov counts them: of what began on it, or was going on when it began."""
    result = {}
    wrapped = None
    by_line = collections.defaultdict(list)
    for segment in segments:
        by_line[segment[0]].append(segment)
    if not by_line:
        return result
    for line in range(min(by_line), max(by_line) + 1):
        here = by_line.get(line, [])
        starts = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        if not skipped and ((wrapped and wrapped[3]) or starts):
            count = wrapped[2] if wrapped and wrapped[3] else 0
            result[line] = max([count, *(s[2] for s in starts)])
        if here:
            wrapped = here[-1]
    return result


def plausible(count):
    """A side of a branch is a difference of counters; it is below 0, shown as very many, where a child was killed between
    the two that it is made of."""
    return 0 if count >= 1 << 62 else count


def read(exports):
    result = collections.defaultdict(Header)
    for path in exports:
        data = json.loads(pathlib.Path(path).read_text())["data"][0]

        def header_of(name):
            name = pathlib.Path(name)
            return str(name.relative_to(headers)) if headers in name.parents else None

        for file in data["files"]:
            if name := header_of(file["filename"]):
                for line, count in lines_of(file["segments"]).items():
                    result[name].lines[line] = result[name].lines.get(line, 0) + count
        for function in data["functions"]:
            names = [header_of(name) for name in function["filenames"]]
            for *place, count, file, _, kind in function["regions"]:
                if names[file] and kind == 0:
                    result[names[file]].regions[tuple(place)] += plausible(count)
            for *place, taken, other, file, _, kind in function["branches"]:
                if names[file]:
                    sides = result[names[file]].branches.setdefault(tuple(place), [0, 0])
                    sides[0] += plausible(taken)
                    sides[1] += plausible(other)
            for record in function.get("mcdc_records", []):
                name = names[record[6]] if len(record) > 6 and isinstance(record[6], int) else names[0]
                conditions = next((part for part in record if isinstance(part, list)), None)
                if name and conditions is not None:
                    known = result[name].conditions.setdefault(tuple(record[:4]), [False] * len(conditions))
                    for at, covered in enumerate(conditions):
                        known[at] = known[at] or covered
    return result


def definitions(text):
    """Lines on which the body of a function begins, by its look."""
    control = re.compile(r"^\s*(if|for|while|switch|else|do|namespace|struct|class|enum|union|return)\b")
    for number, line in enumerate(text.splitlines(), 1):
        if control.match(line) or line.lstrip().startswith("//"):
            continue
        if re.search(r"\bnoexcept\s*(->[^{;]*)?\{", line) or re.search(r"\)\s*const\s*\{", line):
            yield number


# The test kit; what another system executes, and what it shares and is run here over a stand-in for its kernel.
UNJUDGED = ("testing/", "bsd/", "macos/", "freebsd/", "windows/")


def main():
    exceptions = Exceptions(sys.argv[1])
    measured = (pathlib.Path(sys.argv[2]).parent / "configure.log").stat().st_mtime
    if changed := [str(path.relative_to(root)) for path in headers.rglob("*.hpp") if path.stat().st_mtime > measured]:
        sys.exit(f"changed since it was measured: {', '.join(changed)}")
    found = read(sys.argv[2:])
    failures = []
    totals = collections.Counter()
    print(f"{'':32}{'lines':>14}{'branches':>16}{'MC/DC':>14}  excused")
    for path in sorted(headers.rglob("*.hpp"), key=lambda p: ("testing" in p.parts, p)):
        name = str(path.relative_to(headers))
        source = path.read_text()
        texts = source.splitlines()
        header = found[name]
        judged = not name.startswith(UNJUDGED)
        excused = 0
        missed = {}  # (line, what) -> message

        for (line, column, *_), count in header.regions.items():
            if count == 0:
                missed.setdefault((line, "code"), f"never executed, from column {column}")
        for (line, column, *end), sides in header.branches.items():
            # Not written by anybody: a defaulted comparison, and the value that no case of a switch names.
            if "= default" in texts[line - 1] or texts[line - 1].lstrip().startswith("switch ("):
                continue
            expression = texts[line - 1][column - 1 : end[1] - 1] if end[0] == line else texts[line - 1][column - 1 :]
            for what, count in zip(("true", "false"), sides):
                if count == 0:
                    missed.setdefault((line, what, column), f"never {what}: {expression}")
        starts = {line for line, *_ in header.regions}
        for line in definitions(source):
            if line not in starts:
                missed.setdefault((line, "code"), "in no test program")

        # What is executed if a condition on its line is once true needs no second mention.
        one_sided = {key[0] for key in missed if key[1] != "code"}
        for key in [key for key in missed if key[1] == "code" and key[0] in one_sided]:
            del missed[key]
        for (line, what, *_), message in sorted(missed.items(), key=lambda item: (item[0][0], item[0][1:])):
            if not judged:
                continue
            if exceptions.excuse(name, what, texts[line - 1], message):
                excused += 1
            else:
                failures.append(f"include/genie/{name}:{line}: {message}\n    {texts[line - 1].strip()}")
        group = "judged" if judged else "testing"
        figures = {
            "lines": (sum(count > 0 for count in header.lines.values()), len(header.lines)),
            "branches": (sum((a > 0) + (b > 0) for a, b in header.branches.values()), 2 * len(header.branches)),
            "mcdc": (sum(map(sum, header.conditions.values())), sum(map(len, header.conditions.values()))),
        }
        for key, (covered, total) in figures.items():
            totals[group, key, 0] += covered
            totals[group, key, 1] += total
        totals[group, "excused"] += excused
        if any(total for _, total in figures.values()):
            print(f"{name:32}{ratio(figures['lines']):>14}{ratio(figures['branches']):>16}{ratio(figures['mcdc']):>14}"
                  f"{excused:>9}")
    for group, title in (("judged", "include/genie"), ("testing", "include/genie/testing")):
        cells = [(totals[group, key, 0], totals[group, key, 1]) for key in ("lines", "branches", "mcdc")]
        print(f"{title:32}{percent(cells[0]):>14}{percent(cells[1]):>16}{percent(cells[2]):>14}"
              f"{totals[group, 'excused']:>9}")

    for file, what, text, _, matches in exceptions.entries:
        if matches == 0:
            print(f"note: excused, but reached or gone: {file}: {what}: {text}")
    for failure in failures:
        print(failure)
    if failures:
        sys.exit(f"{len(failures)} places that no test reaches")


def ratio(pair):
    return f"{pair[0]}/{pair[1]}" if pair[1] else "-"


def percent(pair):
    return f"{ratio(pair)} {100 * pair[0] / pair[1]:.1f}%" if pair[1] else "-"


main()
