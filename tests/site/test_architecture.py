#!/usr/bin/env python3
"""The headers include downwards only, as docs/architecture.md draws them."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import architecture  # noqa: E402
import headers  # noqa: E402


class TheHouse(unittest.TestCase):
    def test_stands_as_it_is_drawn(self):
        includes = architecture.read_includes()
        self.assertGreater(len(includes), 50)
        self.assertEqual(architecture.problems(includes), [])
        self.assertEqual(architecture.stale(includes), [], "run scripts/architecture.py, and look at the pictures")

    def test_has_no_stairs_upwards(self):
        for name, target in [
            ("policy/clock", "claim"),
            ("record/pid_record", "status"),
            ("claim", "stop"),
            ("stop", "serve_guard"),
            ("serve_guard", "fmt"),
            ("text", "policy/clock"),
            ("linux/clock", "claim"),
            ("testing/machine", "claim"),
        ]:
            with self.subTest(name=name, target=target):
                found = architecture.problems({name: {target}, target: set()})
                self.assertEqual(len(found), 1, found)
                self.assertIn("leads upwards", found[0])

    def test_has_no_way_to_the_platform_but_through_the_doors(self):
        self.assertEqual(architecture.problems({"ensure": {"system_launcher"}, "system_launcher": {"linux/launcher"}, "linux/launcher": set()}), [])
        for name in ("claim", "stop", "serve_guard", "record/pid_record", "fmt"):
            self.assertIn("leads upwards", architecture.problems({name: {"linux/filesystem"}, "linux/filesystem": set()})[0])

    def test_has_no_rings(self):
        found = architecture.problems({"claim": {"owner"}, "owner": {"judge"}, "judge": {"claim"}})
        self.assertEqual(len(found), 1, found)
        self.assertIn("that is a ring", found[0])

    def test_has_a_floor_for_each_header(self):
        self.assertIn("has no floor yet", architecture.problems({"garden": set()})[0])


class TheStates(unittest.TestCase):
    def test_are_those_that_status_knows(self):
        parsed = headers.read_header(ROOT / "include/genie/status.hpp", "genie/status.hpp")
        states = next(entity for entity in parsed.entities if entity.name == "ServerState")
        self.assertEqual(sorted(architecture.STATES), sorted(member.name for member in states.members))


if __name__ == "__main__":
    unittest.main()
