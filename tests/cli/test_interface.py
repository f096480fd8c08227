"""docs/interface.md: its examples in other languages, run as they stand there; a directory that a program of the older
protocol has left; and what genie writes, read by code that follows that protocol's rules.
"""
import json
import os
import pathlib
import re
import shutil
import sys
import time
import unittest

from _support import DEAD, NOT_RUNNING, OK, RUNNING, SLEEPER, TRY_AGAIN, UNKNOWN, GenieTest, free_port, is_alive, server, start_time

DOCS = pathlib.Path(__file__).resolve().parent.parent.parent / "docs"
INTERFACE = 1
ALWAYS = ("interface", "state", "pid", "start", "server_pid", "elsewhere", "port", "dir", "name", "uptime_s", "assurance",
          "evidence")


def example(language):
    """The one code block in that language."""
    (text,) = re.findall(r"^```%s\n(.*?)^```$" % language, (DOCS / "interface.md").read_text(), re.M | re.S)
    return text


def rows(begin, end):
    """The fields of a table between two texts, each with all that its row names."""
    page = (DOCS / "interface.md").read_text()
    table = page[page.index(begin) : page.index(end)]
    found = {}
    for line in re.findall(r"^\| `.*$", table, re.M):
        for name in re.findall(r"`(\w+)`", line.split("|")[1]):
            found[name] = set(re.findall(r"`(\w+)`", line))
    return found


class Examples(GenieTest):
    def setUp(self):
        super().setUp()
        bin_folder = self.root / "bin"
        bin_folder.mkdir()
        (bin_folder / "genie").symlink_to(self.command)
        self.environment["PATH"] = "%s:%s" % (bin_folder, os.environ["PATH"])
        self.environment["GENIE_HOME"] = str(self.dir)

    def run_example(self, language, *interpreter):
        if not shutil.which(interpreter[0]):
            self.skipTest("there is no %s here" % interpreter[0])
        path = self.root / ("example." + language)
        path.write_text(example(language))
        done = self.begin(*interpreter, path).finish()
        self.assertEqual(done.code, 0, done)
        return done.out.strip()

    def test_are_ten_lines_at_most(self):
        for language in ("sh", "python", "js"):
            lines = [line for line in example(language).splitlines() if line]
            self.assertLessEqual(len(lines), 10, language)

    def test_shell_starts_what_is_not_there(self):
        port = free_port()
        self.environment.update(PORT=str(port), SERVER=" ".join(server("--tcp", port)))
        for _ in range(2):
            self.assertEqual(self.run_example("sh", "sh"), "port %d" % port)
        self.assertEqual(self.status()["state"], "running")

    def ask(self, language, *interpreter):
        nothing = "None None" if language == "python" else "null null"
        self.assertEqual(self.run_example(language, *interpreter), "stopped " + nothing)
        running = self.start("--port", "4711", "--", *SLEEPER)
        self.assertEqual(self.run_example(language, *interpreter), "running %d 4711" % running["pid"])
        self.genie_ok("stop")
        (self.dir / "serve.pid").write_text("%d:unknown" % os.getpid())
        self.assertRegex(self.run_example(language, *interpreter), "^cannot tell: .*%d" % os.getpid())

    def test_python(self):
        self.ask("python", sys.executable)

    def test_node(self):
        self.ask("js", "node")


class StatusContract(GenieTest):
    def fields(self, code):
        done = self.genie("status", "--json")
        self.assertExit(done, code)
        report = json.loads(done.out)
        self.assertEqual(report["interface"], INTERFACE)
        self.assertEqual([name for name in ALWAYS if name not in report], [])
        return report

    def test_the_page_is_of_this_version_and_names_the_fields(self):
        page = (DOCS / "interface.md").read_text()
        self.assertIn("**version %d**" % INTERFACE, page)
        self.assertEqual(set(rows("These fields are always there", "Where the question could be answered")), set(ALWAYS))

    def test_running_and_not(self):
        self.assertEqual(self.fields(NOT_RUNNING)["state"], "stopped")
        self.start()
        report = self.fields(RUNNING)
        self.assertEqual(report["state"], "running")
        documented = rows("These fields are always there", "## Start and stop")
        self.assertEqual(set(report), set(documented))
        for field in ("evidence", "stopping"):
            self.assertLessEqual(set(report[field]), documented[field], field)

    def test_a_question_that_fails(self):
        self.dir.write_text("no directory")
        report = self.fields(UNKNOWN)
        self.assertEqual((report["state"], report["evidence"]["reason"]), ("unknown", "error"))
        self.assertGreater(report["evidence"]["errno"], 0)


# --- the older protocol ------------------------------------------------------------------------------------------------


def first_number(path):
    """What a reader of the older protocol makes of a file: the first number of its first line."""
    return int(re.match(r"\s*(-?\d+)", path.read_text())[1])


class OlderReader(GenieTest):
    """A reader that knows `PID:START`, a port and an expiry, and nothing of genie."""

    def owner(self):
        """The PID of the live owner, or None where this reader would unlink the record."""
        text = (self.dir / "serve.pid").read_text()
        pid, start = text.strip().split(":")
        return int(pid) if start == str(start_time(int(pid))) else None

    def test_reads_what_an_owner_writes(self):
        running = self.start("--port", "4711")
        self.assertEqual(self.owner(), running["pid"])
        self.assertRegex((self.dir / "serve.pid").read_text(), r"^\d+:\d+\s*$")
        self.assertEqual(first_number(self.dir / "pgserve.port"), 4711)

    def test_reads_what_a_stop_writes(self):
        gate = self.gate()
        self.start("--ready", "notify", "--", *server("--notify", "READY=1", "--end-gate", gate))
        stop = self.spawn("stop", "--grace", "60s")
        self.wait_for_state("stopping")
        remaining = first_number(self.dir / "serve.stopping.lock") / 1000 - time.time()
        self.assertTrue(0 < remaining <= 30, remaining)
        self.open_gate(gate)
        self.assertExit(stop.finish(), OK)
        self.assertFalse((self.dir / "serve.stopping.lock").exists())

    def test_stays_out_where_it_is_to_stay_stopped(self):
        self.start()
        self.genie_ok("stop", "--stay")
        self.assertGreater(first_number(self.dir / "serve.stopping.lock") / 1000, time.time() + 86400)


class OlderDirectory(GenieTest):
    """A directory that a program of the older protocol has left: all formats that it ever had."""

    def left(self, record, port="5433"):
        self.dir.mkdir(exist_ok=True)
        self.dir.chmod(0o700)
        for name, content in (("serve.pid", record), ("pgserve.port", port)):
            (self.dir / name).write_text(content)
            (self.dir / name).chmod(0o600)  # whatever the umask

    def test_of_a_dead_server_is_taken_over_and_its_port_believed_by_nobody(self):
        gone = self.begin("true")
        gone.finish()
        stranger = self.begin(*SLEEPER)
        records = {
            "dead": "%d:17" % gone.pid,
            "dead, with a line feed": "%d:17\n" % gone.pid,
            "dead, unknown start": "%d:unknown" % gone.pid,
            "the PID is a stranger's": "%d:17" % stranger.pid,
            "legacy, dead": "%d" % gone.pid,
            "legacy, dead, with a line feed": "%d\n" % gone.pid,
            "legacy, and somebody has the PID": "%d" % stranger.pid,
            "not a number": "serve",
            "half of one": ":17",
        }
        for label, record in records.items():
            with self.subTest(label):
                self.left(record)
                self.assertIn(self.genie("status").code, (DEAD, UNKNOWN))
                self.assertExit(self.genie("port"), NOT_RUNNING)
                started = self.genie_ok("ensure", "--", *SLEEPER)
                self.assertNotIn("already running", started.out)
                self.assertFalse((self.dir / "pgserve.port").exists())
                self.genie_ok("stop")
                self.assertTrue(is_alive(stranger.pid))

    def test_of_a_live_server_is_left_alone(self):
        older = self.begin(*SLEEPER)
        for record in ("%d:%d" % (older.pid, start_time(older.pid)), "%d:%d\n" % (older.pid, start_time(older.pid))):
            with self.subTest(record):
                self.left(record)
                self.assertEqual(self.genie("status").code, RUNNING)
                self.assertIn("already running", self.genie_ok("ensure", "--", *SLEEPER).out)
                self.assertEqual((self.dir / "serve.pid").read_text(), record)
        self.left("%d:unknown" % older.pid)
        self.assertEqual(self.genie("status").code, UNKNOWN)
        self.assertExit(self.genie("ensure", "--", *SLEEPER), TRY_AGAIN)
        self.assertTrue(is_alive(older.pid))


if __name__ == "__main__":
    unittest.main()
