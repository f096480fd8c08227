#!/usr/bin/env python3
"""The reference is whole: no public name without a comment, no requirement without its row, and no name overlooked."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import headers  # noqa: E402
import reference  # noqa: E402


def problems_of(source):
    """What the check says of a header with that body in namespace genie."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "genie/example.hpp"
        path.parent.mkdir()
        path.write_text(
            "// An example.\n#ifndef GENIE_EXAMPLE_HPP\n#define GENIE_EXAMPLE_HPP\n\n"
            f"namespace genie::inline v0 {{\n\n{source}\n\n}}  // namespace genie::inline v0\n\n#endif  // GENIE_EXAMPLE_HPP\n"
        )
        found = reference.Reference(headers.read_headers(Path(directory))).problems()
        return [problem.split(": ", 1)[1] for problem in found]


PARSED = headers.read_headers()
REFERENCE = reference.Reference(PARSED)
PAGES = REFERENCE.pages()


class EveryPublicName(unittest.TestCase):
    def test_is_documented(self):
        self.assertEqual(REFERENCE.problems(), [])

    def test_is_missed_where_it_is_not(self):
        for source, name in [
            ("int answer() noexcept;", "function genie::answer"),
            ("template <typename T>\n  requires(sizeof(T) > 1)\nint answer(T value) noexcept {\n  return value;\n}", "function genie::answer"),
            ("struct Answer {\n  int value = 42;\n};", "struct genie::Answer"),
            ("class Answer {};", "class genie::Answer"),
            ("enum class Answer { yes, no };", "enum genie::Answer"),
            ("using Answer = int;", "alias genie::Answer"),
            ("inline constexpr int answer{42};", "variable genie::answer"),
            ("inline constexpr int answer = 42;", "variable genie::answer"),
            ("template <typename T>\nconcept Answer = sizeof(T) == 42;", "concept genie::Answer"),
            ("#define GENIE_ANSWER 42", "macro GENIE_ANSWER"),
            ('/// A class.\nclass Answer {};\n\nextern "C" {\nint foreign();\n}\n\nint answer();', "function genie::answer"),
            ("/// Far away.\n\nint answer() noexcept;", "function genie::answer"),
            ("namespace testing {\n\nint answer();\n\n}  // namespace testing", "function genie::testing::answer"),
            ("/// A class.\nclass Answer {\n public:\n  int value() const noexcept { return value_; }\n\n private:\n  int value_;\n};", "genie::Answer::value"),
            ("/// An enumeration.\nenum class Answer {\n  yes,  ///< it is\n  no,\n};", "genie::Answer::no"),
        ]:
            with self.subTest(source=source):
                self.assertEqual(problems_of(source), [f"{name} is not documented"])

    def test_may_be_told_of_in_several_ways(self):
        for source in [
            "/// The answer.\n[[nodiscard]] int answer() noexcept;",
            "inline constexpr int answer = 42;  ///< to everything",
            "/// The answer.\nint answer(int) noexcept;\nint answer(long) noexcept;",
            "/// Yes or no.\nenum class Answer { yes, no };",
            "/// A class.\nclass Answer {\n public:\n  Answer() noexcept;\n  bool operator==(const Answer&) const;\n  int value;\n\n private:\n  int secret() const;\n};",
        ]:
            with self.subTest(source=source):
                self.assertEqual(problems_of(source), [])

    def test_is_no_internal_one(self):
        self.assertEqual(problems_of("namespace detail {\n\nint answer();\n\n}  // namespace detail"), [])
        self.assertEqual(problems_of("namespace record_detail {\n\nint answer();\n\n}  // namespace record_detail"), [])


class ARequirementsTable(unittest.TestCase):
    concept = (
        "template <typename O>\nconcept OraclePolicy = requires(O& oracle, int question) {{\n"
        "  {{ oracle.answer(question) }} noexcept;\n{more}}};"
    )
    table = "/// | expression | returns | what it must do |\n/// |---|---|---|\n/// | `oracle.answer(q)` | `int` | answers |\n"
    model = "/// One that answers.\nclass Delphi {\n public:\n  int answer(int question) noexcept;\n};\n\n"

    def test_has_a_row_for_each_requirement(self):
        source = self.table + self.concept.format(more="  { oracle.rest() } noexcept;\n")
        self.assertEqual(problems_of(source), ["genie::OraclePolicy: the requirements table has no row for rest"])

    def test_requires_nothing_that_the_concept_does_not(self):
        source = self.table + "/// | `oracle.rest()` | (ignored) | rests |\n" + self.concept.format(more="")
        self.assertEqual(
            problems_of(source), ["genie::OraclePolicy: the requirements table has rest, which the concept does not require"]
        )

    def test_may_be_followed_by_one_of_what_need_not_be_there(self):
        more = "///\n/// Only where it is there:\n///\n" + self.table.replace("answer", "rest")
        model = self.model.replace("};", "  void rest() noexcept\n    requires requires(int& other) { other; }\n  {\n    answer(1);\n  }\n};")
        self.assertEqual(problems_of(model + self.table + more + self.concept.format(more="")), [])

    def test_speaks_for_the_members_of_a_model(self):
        self.assertEqual(problems_of(self.model + self.table + self.concept.format(more="")), [])
        self.assertEqual(problems_of(self.model), ["genie::Delphi::answer is not documented"])


class TheReader(unittest.TestCase):
    def test_finds_what_clang_finds(self):
        clang = shutil.which("clang++-19")
        if clang is None:
            self.skipTest("no clang++-19")
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory) / "all.cpp"
            source.write_text("".join(f"#include <{header.name}>\n" for header in PARSED if compiles_here(header.name)))
            command = [clang, "-std=c++20", f"-I{ROOT / 'include'}", "-DFMT_HEADER_ONLY", "-fsyntax-only", "-Xclang", "-ast-list", source]
            listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        known = {line.strip().replace("genie::v0", "genie") for line in listed if line.startswith("genie::")}

        ours, spoken = set(), set()
        for header in PARSED:
            for entity in header.entities:
                if entity.kind != "macro" and compiles_here(header.name):
                    ours.add(entity.qualified)
                    spoken |= set(re.findall(r"\w+", entity.text))
        self.assertGreater(len(ours), 200)
        self.assertEqual(sorted(ours - known), [], "names that clang does not know")
        # Clang lists parameters beside the names of a namespace: they occur in the declarations that we have read.
        theirs = {name for name in known if re.fullmatch(r"genie::(testing::)?\w+", name)}
        overlooked = {name for name in theirs - ours if name.split("::")[-1] not in spoken}
        overlooked = {name for name in overlooked if not headers.is_internal(name.split("::")[-1])}
        self.assertEqual(sorted(overlooked - {"genie::testing"}), [], "names that we have overlooked")


def compiles_here(name):
    """Whether a header is of this platform, or of all."""
    platform = re.match(r"genie/(macos|freebsd|bsd|windows)/", name)
    return platform is None


class ThePages(unittest.TestCase):
    def test_link_to_each_other(self):
        broken = []
        for path, text in PAGES.items():
            prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#]+)\)", prose):
                whole = os.path.normpath(os.path.join(os.path.dirname(path), target))
                if whole not in PAGES and not re.match(r"(\.\./)+source/include/genie/", whole):
                    broken.append(f"{path}: {target}")
        self.assertEqual(broken, [])

    def test_are_one_for_each_policy_with_its_table_and_its_models(self):
        for policy, model in [("Clock", "LinuxClock"), ("ProcessProbe", "FakeProcesses"), ("Filesystem", "MemoryFilesystem"), ("Launcher", "LinuxLauncher")]:
            page = PAGES[f"{policy}Policy.md"]
            self.assertRegex(page, r"\| expression +\| returns")
            self.assertIn(f"[`{model}`]", page)

    def test_say_what_can_be_printed(self):
        self.assertIn("**Printed** by fmt", PAGES["StopReceipt.md"])
        self.assertIn("[`StopReceipt`]", PAGES["headers/fmt.md"])

    def test_differ_by_more_than_case(self):
        self.assertEqual(len({path.lower() for path in PAGES}), len(PAGES))


if __name__ == "__main__":
    unittest.main()
