#!/usr/bin/env python3
"""Mutation tests: changes the protocol headers one place at a time, and looks whether a unit test notices.

    scripts/mutate.py [--headers NAME...] [--sample N] [--seed S] [--jobs J] [--limit SECONDS] [--again] [--list]

Nothing in the tree is touched. All mutants are compiled at once, into a copy of the headers in which each is one side of
a switch that the environment variable GENIE_MUTANT turns; so a mutant costs a run of tests, not a compilation: of the
test cases that come by it, the quick ones first. A test that fails, crashes, hangs or indexes beyond an array has
noticed. What does not compile in that form, as in a constant expression, counts as none. build/mutation/report.txt lists
it, gets the score of each header and the survivors; those that tests/mutation/survivors.txt explains count as none, too,
and explanations that no survivor needs are listed. With --again, after a test was added or a line changed, and with
--headers, the other verdicts stay as they were. Exits with 1 if the score is below --target (95), with 77 where there is
no clang++.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from xml.etree import ElementTree

root = pathlib.Path(__file__).resolve().parents[1]
out = root / "build" / "mutation"

# Header -> the test files that exercise it, the likeliest to notice first.
common = ["claim", "stop", "serve_guard", "status", "sentinel", "takeover", "stop_situations", "owner", "leftovers",
          "judge", "withdraw", "failing_calls", "state_files", "ensure", "ensure_situations", "stay", "stop_options",
          "standby", "endpoints", "boot", "other_systems"]
first = {
    "claim": ["claim", "takeover", "ensure", "serve_guard", "leftovers", "owner", "other_systems"],
    "ensure": ["ensure", "ensure_situations"],
    "handover": ["ensure"],
    "leavings": ["stop", "stop_situations", "ensure"],
    "failure": ["failure", "ensure", "boot"],
    "role": ["role", "ensure"],
    "standby": ["standby"],
    "boot": ["boot", "failure", "ensure"],
    "judge": ["judge", "claim", "status"],
    "owner": ["owner", "status", "claim", "stop"],
    "sentinel": ["sentinel", "stop_situations", "other_systems", "record/sentinel_record"],
    "stop": ["stop", "stop_situations", "stop_options", "owner", "stay"],
    "withdraw": ["withdraw", "serve_guard"],
    "leftovers": ["leftovers", "claim", "takeover", "other_systems"],
    "port_file": ["status", "takeover", "failing_calls"],
    "publish": ["status", "takeover", "endpoints", "failing_calls"],
    "endpoint_file": ["endpoints", "failing_calls"],
    "endpoints": ["endpoints", "failing_calls"],
    "status": ["status", "owner"],
    "change_wait": ["change_wait", "claim", "sentinel"],
    "host": ["claim", "owner", "takeover"],
    "state_files": ["state_files", "values", "claim"],
    "serve_guard": ["serve_guard", "boot", "owner", "status"],
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    header: str
    start: int
    end: int
    text: str
    line: int
    original_line: str
    mutated_line: str
    operator: str


def masked(source):
    """The source with comments and literals blanked, so that positions stay."""
    pattern = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'|^\s*#[^\n]*', re.M)
    return pattern.sub(lambda match: " " * len(match.group()), source)


def closing(code, at):
    """The position of the parenthesis that closes the one at `at`."""
    depth = 0
    for position in range(at, len(code)):
        depth += (code[position] == "(") - (code[position] == ")")
        if depth == 0:
            return position
    return len(code)


def enumerations():
    """Enumerators by enumeration, of all headers."""
    result = {}
    for path in (root / "include" / "genie").rglob("*.hpp"):
        if "testing" in path.parts:
            continue
        for name, body in re.findall(r"enum class (\w+)[^{]*\{([^}]*)\}", masked(path.read_text())):
            result[name] = re.findall(r"\b([a-z_]\w*)\b(?=\s*(?:,|$|=|\s*\Z))", body)
    return result


def mutants_of(name):
    source = (root / "include" / "genie" / f"{name}.hpp").read_text()
    code = masked(source)
    enumerators = enumerations()
    # Declarations of enumerations and concepts have nothing to mutate.
    for match in re.finditer(r"enum class \w+[^{]*\{[^}]*\};|concept \w+[^;]*;|static_assert\([^;]*;", code):
        code = code[: match.start()] + " " * len(match.group()) + code[match.end() :]
    found = []

    def add(start, end, text, operator):
        line_start = source.rfind("\n", 0, start) + 1
        line_end = source.find("\n", max(end, start))
        before = " ".join(source[line_start:line_end].split())
        after = " ".join((source[line_start:start] + text + source[end:line_end]).split())
        found.append(Mutant(name, start, end, text, source.count("\n", 0, start) + 1, before, after, operator))

    swaps = {"==": ["!="], "!=": ["=="], "<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"], "&&": ["||"], "||": ["&&"],
             "+": ["-"], "-": ["+"]}
    for match in re.finditer(r"(?<= )(==|!=|<=|>=|<|>|&&|\|\||\+|-)(?= )", code):
        for other in swaps[match.group()]:
            add(match.start(), match.end(), other, "operator")
    for match in re.finditer(r"\b(if|while) (?:constexpr )?\(", code):
        end = closing(code, match.end() - 1)
        start = max(code.rfind(";", match.end(), end) + 1, match.end())
        add(start, end, f"{' ' if source[start] == ' ' else ''}!({source[start:end].strip()})", "negated condition")
    for match in re.finditer(r"(?<![\w.:])(true|false)\b", code):
        add(match.start(), match.end(), "false" if match.group() == "true" else "true", "constant")
    for match in re.finditer(r"(?<=[ ({])([01])(?=[;,) }])", code):
        add(match.start(), match.end(), "1" if match.group() == "0" else "0", "constant")
    # Calls and assignments that are a whole line.
    for match in re.finditer(r"^[ ]+((?:\(void\))?\w[\w:.\->]*\([^;{}]*\)|\+\+\w+|[\w.\[\]>-]+ = [^;{}]*);$", code, re.M):
        if not re.match(r"(return|if|for|while|using|delete|throw)\b", match.group(1)):
            add(match.start(1), match.end(1), "", "deleted statement")
    for match in re.finditer(r"^[ ]+(if \(.*\) (?:return[^;]*|continue|break);)", code, re.M):
        add(match.start(1), match.end(1), ";", "deleted early exit")
    for match in re.finditer(r"\b(\w+)::([a-z_]\w*)\b", code):
        names = enumerators.get(match.group(1), [])
        before = code[code.rfind("\n", 0, match.start()) + 1 : match.start()]
        if match.group(2) in names and len(names) > 1 and not re.search(r"\bcase $|Operation", before + match.group()):
            other = names[(names.index(match.group(2)) + 1) % len(names)]
            add(match.start(2), match.end(2), other, "enumerator")
    return found


def text_of(mutant):
    """What an explanation names it by."""
    return mutant.header, mutant.original_line, mutant.mutated_line


def load_verdicts():
    """What the last run has found, as (mutant, verdict)."""
    return [(Mutant(**fields), verdict) for fields, verdict in json.loads((out / "verdicts.json").read_text())]


def save_verdicts(results):
    (out / "verdicts.json").write_text(json.dumps([(dataclasses.asdict(mutant), verdict) for mutant, verdict in results]))


def explained():
    """(header, original line, mutated line) of the survivors that are accepted."""
    path = root / "tests" / "mutation" / "survivors.txt"
    result = set()
    entry = []
    for line in path.read_text().splitlines() if path.exists() else []:
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            if entry:
                sys.exit(f"{path}: {entry}: no `was`, `became` and reason")
            entry = [line.strip().removesuffix(":")]
        else:
            entry.append(line.strip())
        if len(entry) == 4:
            result.add((entry[0], entry[1].removeprefix("was:").strip(), entry[2].removeprefix("became:").strip()))
            entry = []
        elif len(entry) == 1 and result and line.startswith("  "):
            entry = []
    return result


def without_comments(source):
    return re.sub(r'//[^\n]*|("(?:\\.|[^"\\\n])*")', lambda match: match.group(1) or " " * len(match.group()), source)


def expression_around(code, start, end):
    """The smallest whole expression around a position: an argument, a condition, an initializer, what is returned."""

    def is_block(at):
        """Whether the brace at `at` begins a block, and no list of values."""
        before = code[:at].rstrip()
        return before.endswith((")", ";", "{", "}", "]", ":", ">")) or bool(
            re.search(r"\b(noexcept|const|else|do|mutable)$", before))

    opened = {")": "(", "]": "[", "}": "{"}
    stack = []
    first = 0
    for at in range(start - 1, -1, -1):
        c = code[at]
        if c in opened:
            if c == "}" and not stack and not re.match(r"\s*[,).;+\-*/<>=!&|?:]", code[at + 1 :]):
                first = at + 1
                break
            stack.append(c)
        elif c in "([{":
            if not stack:
                first = at + 1
                break
            stack.pop()
        elif not stack and (c in ",;" or c == "=" and code[at - 1] not in "=!<>" and code[at + 1] != "="):
            first = at + 1
            break
    depth = 0
    last = len(code)
    for at in range(end, len(code)):
        c = code[at]
        if c in "([{":
            if c == "{" and depth == 0 and is_block(at) and code[:at].rstrip()[-1] not in ")]tes":
                return None
            depth += 1
        elif c in ")]}":
            if depth == 0:
                last = at
                break
            depth -= 1
        elif depth == 0 and c in ",;":
            last = at
            break
    # What comes before an expression in a statement.
    while True:
        text = code[first:last]
        label = re.match(r"\s*(?:case [\w:]+|default|public|private|else|return|do)\b(?:\s*:(?!:))?", text)
        control = re.match(r"\s*(?:if|while|for|switch) (?:constexpr )?\(", text)
        if control:
            first = closing(code, first + control.end() - 1) + 1
        elif label:
            first += label.end()
        else:
            break
        if first > start:
            return None
    first += len(code[first:last]) - len(code[first:last].lstrip())
    if code[first:last].rstrip().endswith("...") or first > start:
        return None
    return first, first + len(code[first:last].rstrip())


def schemata(source, mutants):
    """The source with all `mutants`, a list of (number, mutant), switched by `genie_mutant`, and the numbers of those
    for which there is no place to switch them."""
    code = masked(source)
    text = without_comments(source)
    units = collections.defaultdict(list)
    prefixes = []
    impossible = []
    for number, mutant in mutants:
        if mutant.operator.startswith("deleted"):
            prefixes.append((mutant.start, number))
            continue
        unit = expression_around(code, mutant.start, mutant.end)
        if unit is None or unit[1] < mutant.end:
            impossible.append(number)
        else:
            units[unit].append((number, mutant))

    def flat(begin, end):
        return " ".join(text[begin:end].split())

    def rewritten(begin, end, skip=None):
        """The text with every switch within."""
        inner = sorted((unit for unit in units if begin <= unit[0] and unit[1] <= end and unit != skip),
                       key=lambda unit: (unit[0], -unit[1]))
        pieces = []
        at = begin

        def plain(until):
            nonlocal at
            for position, number in sorted(prefixes):
                if at <= position < until:
                    pieces.append(text[at:position])
                    pieces.append(f"\nif (genie_mutant != {number})\n")
                    at = position
            pieces.append(text[at:until])
            at = until

        for unit in inner:
            if unit[0] < at:
                continue  # within the one before
            plain(unit[0])
            for number, mutant in units[unit]:
                changed = f"{flat(unit[0], mutant.start)} {mutant.text} {flat(mutant.end, unit[1])}"
                pieces.append(f"\n(genie_mutant == {number} ? ({changed}) :\n")
            pieces.append("(" + rewritten(unit[0], unit[1], unit) + ")" + ")" * len(units[unit]) + "\n")
            at = unit[1]
        plain(end)
        return "".join(pieces)

    result = rewritten(0, len(text))
    # After the include guard.
    define = re.search(r"^#define \w+\n", result, re.M).end()
    return result[:define] + '#include "genie/mutant.hpp"\n' + result[define:], impossible


switch = """#ifndef GENIE_MUTANT_HPP
#define GENIE_MUTANT_HPP
#include <cstdio>
#include <cstdlib>
// Which mutant is turned on, and, where somebody asks by GENIE_MUTANTS_REACHED, which ones were come by.
class GenieMutants {
 public:
  GenieMutants() {
    if (const char* text = std::getenv("GENIE_MUTANT")) chosen_ = std::atoi(text);
    path_ = std::getenv("GENIE_MUTANTS_REACHED");
  }
  ~GenieMutants() {
    if (path_ == nullptr) return;
    std::FILE* file = std::fopen(path_, "wb");
    std::fwrite(reached_, 1, sizeof reached_, file);
    std::fclose(file);
  }
  bool operator==(int number) const {
    if (path_ != nullptr) reached_[number] = 1;
    return number == chosen_;
  }
  bool operator!=(int number) const { return !(*this == number); }

 private:
  int chosen_ = -1;
  const char* path_ = nullptr;
  mutable unsigned char reached_[@COUNT@] = {};
};
inline const GenieMutants genie_mutant;
#endif
"""


@dataclasses.dataclass(frozen=True)
class Case:
    """A test case of a program: how long it takes, and which mutants it comes by."""

    name: str
    seconds: float
    reached: bytes

    # A mutant is met by the quick ones of all programs first.
    @property
    def is_quick(self):
        return self.seconds < 0.05


class Programs:
    """The test programs, compiled once with every mutant that compiles."""

    def __init__(self, compiler, work, mutants, files, jobs):
        self.compiler = compiler
        self.work = work
        self.mutants = mutants
        self.invalid = set()
        self.cases = {}
        self.include = work / "include"
        tests = root / "tests"
        shutil.copytree(root / "include", self.include)
        (self.include / "genie" / "mutant.hpp").write_text(switch.replace("@COUNT@", str(len(mutants))))
        self.flags = ["-std=c++20", "-O1", "-g0", "-w", "-Wno-error", "-Wno-invalid-constexpr", "-ferror-limit=0",
                      "-fconstexpr-backtrace-limit=0", "-ftemplate-backtrace-limit=1",
                      # As in the sanitized builds: an index beyond an array ends the test.
                      "-fsanitize=bounds", "-fsanitize-trap=bounds"]
        self.main = work / "main.o"
        self.call([*self.flags, f"-I{tests}", "-c", str(tests / "main.cpp"), "-o", str(self.main)])
        self.write()
        self.files = [file for file in files if self.test(file).exists()]
        # The first tells most of what does not compile; what is compiled already may keep a mutant that another file
        # can't have: it is not tried in any.
        self.compile_all(self.files[:1], 1)
        self.compile_all(self.files[1:], jobs)

    def test(self, file):
        return root / "tests" / "unit" / f"{file}_test.cpp"

    def compile_all(self, files, jobs):
        while files:
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                failed = [(file, errors) for file, errors in zip(files, pool.map(self.compile, files)) if errors]
            before = len(self.invalid)
            for _, errors in failed:
                self.drop(errors)
            if failed and len(self.invalid) == before:
                sys.exit(f"{failed[0][0]} does not compile:\n{failed[0][1][:3000]}")
            self.write()
            files = [file for file, _ in failed]

    def program(self, file):
        return self.work / file.replace("/", "_")

    def write(self):
        for header in {mutant.header for mutant in self.mutants}:
            source = (root / "include" / "genie" / f"{header}.hpp").read_text()
            here = [(number, mutant) for number, mutant in enumerate(self.mutants)
                    if mutant.header == header and number not in self.invalid]
            text, impossible = schemata(source, here)
            self.invalid.update(impossible)
            (self.include / "genie" / f"{header}.hpp").write_text(text)

    def call(self, arguments):
        return subprocess.run([self.compiler, *arguments], capture_output=True, text=True)

    def compile(self, file):
        """The errors, or nothing."""
        test = self.test(file)
        result = self.call([*self.flags, f"-I{self.include}", f"-I{root / 'tests'}", f"-I{test.parent}",
                            f"-I{root / 'tests' / 'unit'}", str(test), str(self.main), "-lfmt", "-lpthread", "-o",
                            str(self.program(file))])
        return None if result.returncode == 0 else result.stderr

    def drop(self, errors):
        """Gives up the mutants on the lines that the compiler complains about."""
        dropped = set()
        places = re.findall(r"^(\S+?/genie/[\w/]+\.hpp):(\d+):\d+: (?:fatal error|error|note)", errors, re.M)
        for path, number in dict.fromkeys(places):
            lines = pathlib.Path(path).read_text().splitlines()
            at = int(number) - 1
            dropped.update(int(found) for found in re.findall(r"genie_mutant [!=]= (\d+)", lines[at]))
        if not dropped:
            # Not on a line of its own: the next switch above.
            for path, number in re.findall(r"^(\S+?/genie/[\w/]+\.hpp):(\d+):\d+: (?:fatal error|error)", errors, re.M):
                lines = pathlib.Path(path).read_text().splitlines()
                for at in range(int(number) - 1, -1, -1):
                    found = re.findall(r"genie_mutant [!=]= (\d+)", lines[at])
                    if found:
                        dropped.update(map(int, found))
                        break
        self.invalid |= dropped

    def run(self, file, cases, seconds, **environment):
        """Of processor time; what waits for something that never comes is given much longer."""
        processor_time = max(5, round(10 * seconds))

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
            resource.setrlimit(resource.RLIMIT_CPU, (processor_time, processor_time))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        names = ",".join(re.sub(r'([\\,\[\]"~*])', r"\\\1", name) for name in cases)
        return subprocess.run([str(self.program(file)), "--abort", names], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10 * processor_time, preexec_fn=limit,
                              env={**os.environ, **environment})

    def case_names(self, file):
        def listed(*arguments):
            return subprocess.run([str(self.program(file)), *arguments], stdout=subprocess.PIPE, text=True).stdout

        as_xml = listed("--list-tests", "--reporter", "xml")
        if as_xml.startswith("<"):
            return [name.text for name in ElementTree.fromstring(as_xml).iter("Name")]
        return listed("--list-test-names-only").splitlines()  # Catch2 2

    def learn_cases(self, jobs):
        """Runs every test case alone, without any mutation."""

        def learn(entry):
            number, (file, name) = entry
            reached = self.work / f"reached-{number}"
            began = time.monotonic()
            result = self.run(file, [name], 60, GENIE_MUTANTS_REACHED=str(reached))
            if result.returncode != 0:
                sys.exit(f"{file}: {name}: fails without any mutation:\n{result.stdout.decode(errors='replace')[-2000:]}")
            return file, Case(name, time.monotonic() - began, reached.read_bytes())

        names = []
        for file in self.files:
            names += [(file, name) for name in self.case_names(file)]
            self.cases[file] = []
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for file, case in pool.map(learn, enumerate(names)):
                self.cases[file].append(case)
        for cases in self.cases.values():
            cases.sort(key=lambda case: case.seconds)

    def verdict(self, number, files):
        """`killed by …`, `survived` or `does not compile`."""
        if number in self.invalid:
            return "does not compile"
        for quick in (True, False):
            for file in files:
                cases = [case for case in self.cases.get(file, []) if case.is_quick == quick and case.reached[number]]
                if not cases:
                    continue
                try:
                    if self.run(file, [case.name for case in cases], sum(case.seconds for case in cases),
                                GENIE_MUTANT=str(number)).returncode != 0:
                        return f"killed by {file}"
                except subprocess.TimeoutExpired:
                    return f"killed by {file} (hangs)"
        return "survived"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sample", type=int, help="only N mutants, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("GENIE_JOBS", "2")))
    parser.add_argument("--headers", nargs="+", default=list(first), metavar="NAME", choices=list(first))
    parser.add_argument("--target", type=float, default=95)
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="begin no further mutant after that time")
    parser.add_argument("--again", action="store_true", help="only those that survived in the last run, and new ones")
    parser.add_argument("--list", action="store_true", help="say what would be mutated, and how")
    options = parser.parse_args()

    mutants = [mutant for header in options.headers for mutant in mutants_of(header)]
    total = len(mutants)
    if options.sample and options.sample < total:
        mutants = random.Random(options.seed).sample(mutants, options.sample)
    kept = []
    present = {text_of(mutant) for header in first for mutant in mutants_of(header)}
    if options.again:
        last = [(mutant, verdict) for mutant, verdict in load_verdicts() if text_of(mutant) in present]
        again = {text_of(mutant) for mutant, verdict in last if verdict in ("survived", "explained")}
        settled = {text_of(mutant) for mutant, _ in last} - again
        mutants = [mutant for mutant in mutants if text_of(mutant) not in settled]  # new ones, too
        kept = [(mutant, verdict) for mutant, verdict in last if text_of(mutant) in settled]
    elif set(options.headers) != set(first) and (out / "verdicts.json").exists():
        kept = [(mutant, verdict) for mutant, verdict in load_verdicts()
                if mutant.header not in options.headers and text_of(mutant) in present]
    if options.limit:
        random.Random(options.seed).shuffle(mutants)  # what is tried is a sample, then
    if options.list:
        for mutant in mutants:
            print(f"{mutant.header}.hpp:{mutant.line}: {mutant.operator}: {mutant.original_line}  ->  {mutant.mutated_line}")
        return
    compiler = next((name for name in ("clang++-19", "clang++") if shutil.which(name)), None)
    if compiler is None:
        print("no clang++")
        sys.exit(77)

    out.mkdir(parents=True, exist_ok=True)
    accepted = explained()
    results = kept
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="genie-mutation-") as work:
        wanted = list(dict.fromkeys(file for header in options.headers for file in [*first[header], *common]))
        programs = Programs(compiler, pathlib.Path(work), mutants, wanted, options.jobs)
        programs.learn_cases(options.jobs)
        compiled = time.monotonic() - began
        print(f"{len(mutants) - len(programs.invalid)} of {len(mutants)} mutants compile, {compiled:.0f} s to that and to "
              f"learn which test cases come by which", flush=True)

        def judge(entry):
            number, mutant = entry
            if options.limit and time.monotonic() - began > options.limit:
                return mutant, "not tried"
            files = list(dict.fromkeys([*first[mutant.header], *common]))
            return mutant, programs.verdict(number, files)

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for mutant, verdict in pool.map(judge, enumerate(mutants)):
                if verdict == "survived" and text_of(mutant) in accepted:
                    verdict = "explained"
                results.append((mutant, verdict))
                if verdict == "survived":
                    print(f"survived: {mutant.header}.hpp:{mutant.line}: {mutant.original_line}  ->  "
                          f"{mutant.mutated_line}", flush=True)

    save_verdicts(results)
    options.headers = [header for header in first if header in {mutant.header for mutant, _ in results}]
    counts = collections.defaultdict(collections.Counter)
    for mutant, verdict in results:
        counts[mutant.header][verdict.split()[0]] += 1
        counts["all"][verdict.split()[0]] += 1
    lines = [f"{len(results)} of {max(total, len(results))} mutants, seed {options.seed}, {time.monotonic() - began:.0f} s, "
             f"{compiled:.0f} s of it to compile", "",
             f"{'header':14}{'killed':>8}{'survived':>10}{'explained':>11}{'invalid':>9}{'not tried':>11}{'score':>8}"]
    score = 100.0
    for header in [*options.headers, "all"]:
        count = counts[header]
        judged = count["killed"] + count["survived"]
        score = 100 * count["killed"] / judged if judged else 100.0
        lines.append(f"{header:14}{count['killed']:8}{count['survived']:10}{count['explained']:11}{count['does']:9}"
                     f"{count['not']:11}{score:7.1f}%")
    for title, wanted in (("survived", "survived"), ("explained", "explained"), ("does not compile", "does not compile")):
        lines += ["", f"{title}:"]
        for mutant, verdict in results:
            if verdict == wanted:
                lines += [f"{mutant.header}:  (line {mutant.line}, {mutant.operator})", f"  was: {mutant.original_line}",
                          f"  became: {mutant.mutated_line}"]
    if not options.sample and not options.limit:
        needed = {text_of(mutant) for mutant, verdict in results if verdict == "explained"}
        lines += ["", "explained without need:"]
        for header, original, mutated in sorted(accepted - needed):
            if header in options.headers:
                lines += [f"{header}:", f"  was: {original}", f"  became: {mutated}"]
    (out / "report.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[: 4 + len(options.headers)]))
    print(f"see {out.relative_to(root) / 'report.txt'}")
    sys.exit(score < options.target)


main()
