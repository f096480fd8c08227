#!/usr/bin/env python3
"""Every link of the Markdown sources leads to a file, and to a heading of it where it names one."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import links  # noqa: E402


def problems_of(files):
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return links.problems(root)


class TheLinks(unittest.TestCase):
    def test_of_this_tree_lead_somewhere(self):
        self.assertGreater(len(links.sources()), 5)
        self.assertEqual(links.problems(), [])

    def test_to_what_is_not_there_are_found(self):
        for text, what in [
            ("See [it](gone.md).", "gone.md: there is no such file"),
            ("See [`it`](gone.md#here).", "gone.md#here: there is no such file"),
            ("![picture](images/gone.svg)", "images/gone.svg: there is no such file"),
            ('<img src="gone.svg">', "gone.svg: there is no such file"),
            ("See [it].\n\n[it]: gone.md", "gone.md: there is no such file"),
            ("# Here\n\nSee [it](#there).", "#there: there is no such heading"),
            ("See [it](docs/other.md#there).", "docs/other.md#there: there is no such heading"),
        ]:
            with self.subTest(text=text):
                found = problems_of({"README.md": text, "docs/other.md": "# Here"})
                self.assertEqual([problem.split(": ", 1)[1] for problem in found], [what])

    def test_are_not_looked_for_in_code(self):
        text = "`guards[0](gone)`\n\n```cpp\nauto x = handlers[1](gone);\n```\n\n<!-- [it](gone.md) -->"
        self.assertEqual(problems_of({"README.md": text}), [])

    def test_may_name_headings_as_readers_see_them(self):
        text = "# A `genie run`, and *then*?\n## Twice\n## Twice\n[a](#a-genie-run-and-then) [b](#twice) [c](#twice-1)"
        self.assertEqual(problems_of({"README.md": text}), [])


if __name__ == "__main__":
    unittest.main()
