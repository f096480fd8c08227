#!/usr/bin/env python3
"""What the README's pictures of a terminal show is what the command says."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import recording  # noqa: E402


class TheRecording(unittest.TestCase):
    def test_shows_what_the_command_says(self):
        if "GENIE_COMMAND" not in os.environ:
            self.skipTest("GENIE_COMMAND names no genie")
        command = [sys.executable, "-B", ROOT / "scripts/recording.py", os.environ["GENIE_COMMAND"], "--check"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_has_the_same_lines_moving_and_still(self):
        pictures = [(recording.IMAGES / name).read_text() for name in ("session.svg", "session-still.svg")]
        moving, still = map(recording.words_of, pictures)
        self.assertGreater(len(still), 20)
        self.assertEqual(moving, still)

    def test_tells_lines_apart_that_differ_by_more_than_numbers(self):
        def words(line):
            return recording.words_of(recording.still([("printed", line, 0)]))

        self.assertEqual(words("serve stopped PID 12 after 3 ms"), words("serve stopped PID 4711 after 150 ms"))
        self.assertNotEqual(words("serve stopped PID 12 after 3 ms"), words("serve killed PID 12 after 3 ms"))


if __name__ == "__main__":
    unittest.main()
