#!/usr/bin/env python3
"""Asks compilers what they say to a policy that lacks something, and whether a person could tell from it what.

    tests/concepts/check.py COMPILER...      e.g. g++ "clang++-19 -stdlib=libc++"

For each member of each policy in policies.hpp: the policy without it, and the policy whose member may throw, are given
to `ServeGuard` (a launcher: to `ensure`). That must be refused, and the diagnostic of that very line must name the
concept and the member. The whole policies must be accepted.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# Which template is asked to take the policy instead of the whole one.
USES = {
    "Clock": "ServeGuard<{}, Process, Files>",
    "Process": "ServeGuard<Clock, {}, Files>",
    "Files": "ServeGuard<Clock, Process, {}>",
}
GUARD = "ServeGuard<Clock, Process, Files>"


def members(body):
    """Yields (name, line) of each member; a line without one would go untested, so it is an error."""
    for line in body.splitlines():
        found = re.fullmatch(r"  (?:struct (\w+) \{\}|static constexpr [\w:]+ (\w+) = \d+|.*?(\w+)\(.*\) noexcept);", line)
        if not found:
            sys.exit("concepts: not one member: %s" % line)
        yield next(filter(None, found.groups())), line


def variants(concept, name, body):
    """Yields (label, member, a policy that lacks something)."""
    for member, line in members(body):
        nested = line.startswith("  struct ")
        # Where other members need a type that is left out, they have it, but nobody else can.
        without = "" if not nested else " private:\n%s\n public:\n" % line
        yield "%s without %s" % (concept, member), member, body.replace(line + "\n", without)
        if line.endswith(" noexcept;"):
            yield "%s with a throwing %s" % (concept, member), member, body.replace(line, line[: -len(" noexcept;")] + ";")


def program():
    """Returns the source of all cases, and what must be refused: {label: (concept, member)}."""
    with open(os.path.join(HERE, "policies.hpp"), encoding="utf-8") as stream:
        text = stream.read()
    source = ['#include "policies.hpp"', "namespace policies {",
              "using Accepted = %s;" % GUARD,
              "static_assert(genie::LauncherPolicy<Launcher, Files>);"]
    refused = {}
    for concept, name, body in re.findall(r"// (\w+)\nstruct (\w+) \{\n(.*?)\n\};", text, re.S):
        for number, (label, member, variant) in enumerate(variants(concept, name, body + "\n")):
            lacking = "%s%d" % (name, number)
            source.append("struct %s {\n%s};" % (lacking, variant.replace(name + "(", lacking + "(")))
            refused[label] = concept, member
            # The compiler then speaks of the case by its label.
            source.append('#line 1 "%s"' % label)
            if name in USES:
                source.append("using Use%s = %s;" % (lacking, USES[name].format(lacking)))
            else:
                source.append("void use(%s& guard, %s& launcher, const LaunchPlan& plan) { (void)genie::ensure(guard, launcher, plan); }"
                              % (GUARD, lacking))
            source.append('#line 1 "policies"')
    source.append("}")
    return "\n".join(source) + "\n", refused


def said(output, labels):
    """Returns {label: all that was said from an error in its line up to the next label's}; "" is what came before."""
    result = {}
    current = ""
    for line in output.splitlines():
        error = re.match(r"(.*?):\d+:\d+: error: ", line)
        # What a concept asks for is quoted with errors of its own, in genie's headers.
        if error and (error[1] in labels or error[1] == "policies"):
            current = error[1]
        if current or "error: " in line:
            result[current] = result.get(current, "") + line + "\n"
    return result


def check(compiler, source, refused):
    command = compiler.split() + ["-std=c++20", "-fsyntax-only", "-I", os.path.join(ROOT, "include"), "-I", HERE]
    clang = "clang" in compiler
    command += ["-ferror-limit=0"] if clang else ["-fmax-errors=0", "-fconcepts-diagnostics-depth=3"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cases.cpp")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(source)
        run = subprocess.run(command + [path], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    diagnostics = said(run.stderr, refused)
    failures = []
    for label, (concept, member) in refused.items():
        words = diagnostics.pop(label, None)
        if words is None:
            failures.append("accepted: %s" % label)
        elif concept not in words:
            failures.append("refused without the concept's name: %s\n%s" % (label, words))
        elif not re.search(r"\b%s\b" % member, words):
            failures.append("refused without the member's name: %s\n%s" % (label, words))
    for label, words in diagnostics.items():
        failures.append("an error elsewhere: %s\n%s" % (label, words))
    for failure in failures:
        print("concepts: %s: %s" % (compiler, failure), file=sys.stderr)
    print("concepts: %s: %d policies that lack something, %d failures" % (compiler, len(refused), len(failures)))
    return not failures


def main():
    source, refused = program()
    compilers = sys.argv[1:] or ["g++"]
    results = [check(compiler, source, refused) for compiler in compilers]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
