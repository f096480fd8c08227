"""A boot that can be seen, failures that are told to everybody who waited, and servers that begin with nothing of their
starter's."""
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import stat
import sys
import threading
import time
import unittest

from _support import (
    FAILURE,
    NEEDS_A_PERSON,
    NOT_RUNNING,
    OK,
    PATIENCE,
    ROUNDS,
    RUNNING,
    SLEEPER,
    TRY_AGAIN,
    USAGE,
    GenieTest,
    descriptors,
    process_stat,
    server,
    signal_mask,
    wait_until,
)


class BootTest(GenieTest):
    READY = ("--ready", "notify", "--ready-timeout", "60s", "--")

    def boot(self, *words):
        """A line of a boot script."""
        return " ".join((self.command, "boot", *("'%s'" % word for word in words))) + "\n"

    def script(self, *lines):
        """The end of a command line: a shell script that ends as a server which is ready."""
        return (*self.READY, "sh", "-c", "set -e\n" + "".join(lines) + "exec %s\n" % self.become_ready())

    @staticmethod
    def become_ready():
        return " ".join(server("--notify", "READY=1"))

    @staticmethod
    def wait_at(gate):
        return "cat %s\n" % gate

    def wait_for_step(self, step, **more):
        wanted = {"step": step, **more}

        def reached():
            boot = self.status()["boot"] or {}
            return boot if all(boot.get(field) == value for field, value in wanted.items()) else None

        return wait_until(reached, lambda: "%s, but %s" % (wanted, self.status()["boot"]))


class Steps(BootTest):
    def test_are_shown_while_the_server_boots(self):
        gate = self.gate()
        starter = self.spawn("start", *self.script(
            self.boot("backfill", "30", "120"), self.wait_at(gate),
            self.boot("backfill", "--ok"), self.boot("migrate"), self.wait_at(gate)))
        boot = self.wait_for_step("backfill")
        self.assertEqual((boot["number"], boot["state"]), (1, "running"))
        self.assertEqual((boot["done"], boot["total"], boot["percent"]), (30, 120, 25))
        status = self.status()
        self.assertEqual((status["state"], status["exit"]), ("starting", RUNNING))

        def is_estimated():
            return (self.status()["boot"] or {}).get("estimated_rest_ms")

        # A quarter is done, so three times what it has taken is left.
        rest = wait_until(is_estimated, "the rest is estimated")
        boot = self.status()["boot"]
        self.assertGreaterEqual(boot["for_ms"] * 3, rest)
        self.assertEqual(boot["estimated_rest_ms"], boot["for_ms"] * 3)
        done = self.genie("status")
        self.assertExit(done, RUNNING)
        self.assertRegex(done.out, r"^serve starting \(PID \d+\), step 1: backfill, 30 of 120 \(25 %\), for \d+ s, "
                                   r"about \d+ s left\n$")
        self.open_gate(gate)
        boot = self.wait_for_step("migrate")
        self.assertEqual((boot["number"], boot["done"], boot["total"], boot["percent"]), (2, 0, None, None))
        self.assertIsNone(boot["estimated_rest_ms"])
        self.open_gate(gate)
        self.assertExit(starter.finish(), OK)
        status = self.status()
        self.assertEqual((status["state"], status["boot"]), ("running", None))

    def test_are_lines_for_everybody_who_waits(self):
        gate = self.gate()
        words = self.script(
            self.wait_at(gate), self.boot("backfill", "1", "4"), self.wait_at(gate), self.boot("backfill", "--ok"),
            self.boot("repair", "--fixed"), self.boot("import", "--skipped"), self.boot("migrate"),
            self.wait_at(gate))
        starter = self.spawn("start", *words)
        self.wait_for_state("starting")
        joined = self.spawn("ensure", *words)
        self.wait_for_waiters([joined])
        self.open_gate(gate)
        self.wait_for_step("backfill")
        self.open_gate(gate)
        self.wait_for_step("migrate")
        self.open_gate(gate)
        for done in (starter.finish(), joined.finish()):
            self.assertExit(done, OK)
            self.assertRegex(done.out, r"^serve started \(PID \d+\)\n$")
            lines = done.err.splitlines()
            # Steps that are over at once may be over before anybody looks; where the boot stands still, all see it.
            self.assertIn("serve is starting: step 1: backfill, 1 of 4 (25 %)", lines)
            self.assertIn("serve is starting: step 4: migrate", lines)
            for line in lines:
                self.assertRegex(line, r"^serve is starting: step \d: ")
            self.assertNotIn("\x1b", done.err)

    def test_who_can_show_nothing_waits_all_the_same(self):
        gate = self.gate()
        words = self.script(self.wait_at(gate), self.boot("backfill", "1", "4"), self.wait_at(gate))
        with open("/dev/full", "w") as full:
            starter = self.spawn("ensure", *words, stderr=full)
        self.wait_for_state("starting")
        self.open_gate(gate)
        self.wait_for_step("backfill")
        self.open_gate(gate)
        self.assertExit(starter.finish(), OK)
        self.genie_ok("stop")

    def test_how_each_ended_is_shown(self):
        gate = self.gate()
        ends = {"--ok": "ok", "--fixed": "fixed", "--skipped": "skipped"}
        lines = []
        for option in ends:
            lines += [self.boot("step " + option[2:], option), self.wait_at(gate)]
        starter = self.spawn("start", *self.script(*lines))
        for option, state in ends.items():
            self.wait_for_step("step " + option[2:], state=state)
            self.assertSays(self.genie("status"), "step " + option[2:], ": " + state)
            self.open_gate(gate)
        self.assertExit(starter.finish(), OK)

    def test_do_not_command_the_terminal(self):
        hostile = "a\x1b[2Jb\tc"
        lines = [self.boot(hostile, "--refused", "run: \x1b]0;title\a"), "exit 1\n"]
        starter = self.genie("start", *self.script(*lines))
        status = self.genie("status")
        for done in (starter, status):
            self.assertSays(done, 'in the step "a?[2Jb\tc"; run: ?]0;title?')
            self.assertNotIn("\x1b", done.text)
        with open(os.path.join(self.dir, "serve.log")) as log:
            self.assertNotIn("\x1b", log.read())

    def test_are_a_bar_on_a_terminal(self):
        gate = self.gate()
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        starter = self.spawn("start", *self.script(
            self.boot("backfill", "50", "100"), self.wait_at(gate), self.boot("migrate"), self.wait_at(gate)),
            stderr=slave)
        os.close(slave)
        shown = []

        def read():
            # The line is closed when the starter ends: nobody else has it.
            try:
                while True:
                    shown.append(os.read(master, 4096).decode())
            except OSError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        for step in ("backfill", "migrate"):
            wait_until(lambda: step in "".join(shown), lambda: "%s is shown: %s" % (step, shown))
            self.open_gate(gate)
        self.assertExit(starter.finish(), OK)
        reader.join()
        text = "".join(shown)
        bar = "[%s%s]" % ("#" * 12, " " * 12)
        self.assertIn("\r\x1b[Kserve is starting: %s step 1: backfill, 50 of 100 (50 %%)" % bar, text)
        self.assertIn("\r\x1b[Kserve is starting: step 2: migrate", text)
        self.assertTrue(text.endswith("\r\x1b[K"), "the terminal is left as it was")
        self.assertNotIn("\n", text)

    def test_what_a_server_says_of_itself_is_a_step_too(self):
        gate = self.gate()
        starter = self.spawn("start", *self.READY, *server(
            "--notify", "STATUS=Replaying the journal", "--gate", gate, "--notify", "READY=1"))
        self.wait_for_step("Replaying the journal", number=1)
        self.open_gate(gate)
        done = starter.finish()
        self.assertExit(done, OK)
        self.assertSays(done, "serve is starting: step 1: Replaying the journal")

    def test_a_boot_that_reports_may_take_longer_than_the_window(self):
        steps, pause = 25, 0.1
        options = []
        for number in range(steps):
            options += ["--notify", "STATUS=step %d" % number, "--slow", pause]
        began = time.monotonic()
        done = self.genie("ensure", "--ready", "notify", "--ready-timeout", "2s", "--",
                          *server(*options, "--notify", "READY=1"))
        self.assertExit(done, OK)
        self.assertGreater(time.monotonic() - began, steps * pause)
        self.assertGreater(steps * pause, 2, "or this shows nothing")

    def test_a_boot_that_reports_only_numbers_goes_on_as_well(self):
        lines = "".join(self.boot("backfill", str(done), "20") + "sleep 0.12\n" for done in range(20))
        words = self.script(lines)
        self.assertExit(self.genie("ensure", "--ready-timeout", "2s", *words[:2], *words[4:]), OK)

    def test_a_boot_that_stalls_is_ended_and_the_step_is_named(self):
        for subcommand in ("start", "ensure"):
            words = self.script(self.boot("backfill", "7", "9"), "echo stuck\n", "sleep 1000\n")
            done = self.genie(subcommand, "--ready-timeout", "2s", *words[:2], *words[4:])
            self.assertExit(done, FAILURE)
            self.assertSays(done, 'reported nothing for 2000 ms, and was ended, in the step "backfill"', "stuck")
            self.assertEqual(self.processes(), [], "its children have ended with it")
            self.assertStopped()
            failure = self.status()["last_failure"]
            self.assertEqual((failure["kind"], failure["value"], failure["step"]), ("stalled", 2000, "backfill"))

    def wait_for_news(self):
        """Until a step is reported, or reported again. Returns: the time of that, by the clock of the machine."""
        def reported_at():
            found = re.search(rb"\nupdated (\d+)\n", (self.dir / "serve.lock").read_bytes())
            return found and int(found.group(1)) / 1000

        before = reported_at()
        return wait_until(lambda: reported_at() != before and reported_at(), "the step is reported again")

    def test_a_boot_that_was_given_more_time_is_no_hang_to_who_waits(self):
        for told, said in (("", "asked for more time"), ("STATUS=Replaying the journal\n", "Replaying the journal")):
            with self.subTest(said):
                gate = self.gate("gate" + said)
                starter = self.spawn("start", "--ready", "notify", "--ready-timeout", "200ms", "--", *server(
                    "--notify", told + "EXTEND_TIMEOUT_USEC=60000000", "--gate", gate, "--notify", "READY=1"))
                self.wait_for_step(said)
                self.wait_for_news()
                self.assertEqual(self.status()["boot"]["number"], 1, "it is the same step")
                self.open_gate(gate)
                done = starter.finish()
                self.assertExit(done, OK)
                self.assertEqual(done.err, "serve is starting: step 1: %s\n" % said, "told once")
                self.genie_ok("stop")

    def test_a_step_that_has_ended_stays_so_while_more_time_is_given(self):
        gate = self.gate()
        ended = "EXTEND_TIMEOUT_USEC=60000000\nX_GENIE_STEP=repair\nX_GENIE_STATE=fixed"
        starter = self.spawn("start", *self.READY, *server("--notify", ended, "--gate", gate, "--notify", "READY=1"))
        self.wait_for_step("repair", state="fixed")
        self.wait_for_news()
        self.wait_for_step("repair", state="fixed", number=1)
        self.open_gate(gate)
        self.assertExit(starter.finish(), OK)

    def test_more_time_may_be_more_than_anybody_waits(self):
        for span in (2**32, 2**63, 2**64 - 1):
            with self.subTest(span):
                gate = self.gate("gate%d" % span)
                began = time.monotonic()
                starter = self.spawn("start", "--ready", "notify", "--ready-timeout", "200ms", "--", *server(
                    "--notify", "EXTEND_TIMEOUT_USEC=%d" % span, "--gate", gate, "--notify", "READY=1"))
                self.wait_for_step("asked for more time")
                wait_until(lambda: self.wait_for_news() - began > 0.2, "its own time is over")
                self.open_gate(gate)
                self.assertExit(starter.finish(), OK)
                self.genie_ok("stop")

    def test_what_a_server_says_when_it_is_ready_is_no_step_of_its_boot(self):
        gate = self.gate()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.root / "notify"))
            systemd.settimeout(PATIENCE)
            self.environment["NOTIFY_SOCKET"] = str(self.root / "notify")
            said = "STATUS=serving\nX_GENIE_STEP=migrate\nX_GENIE_STATE=refused\nX_GENIE_ADVICE=run: it"
            run = self.spawn("run", *self.READY, *server(
                "--notify", "STATUS=booting", "--notify", "READY=1", "--notify", said, "--gate", gate, "--fail", "3"))
            while systemd.recv(4096) != b"STATUS=serving":
                pass
        self.open_gate(gate)
        done = run.finish()
        self.assertEqual((done.code, done.text), (3, ""), done)
        self.assertIn(b"\nstep booting\n", (self.dir / "serve.lock").read_bytes())

    def test_a_step_that_needs_a_person_ends_the_start_with_what_to_do(self):
        gate = self.gate()
        words = self.script(self.wait_at(gate), self.boot("migrate", "--refused", "run: myapp migrate --to 7"),
                            "sleep 1000\n")
        callers = [self.spawn("ensure", *words) for _ in range(4)]
        self.wait_for_waiters(callers)
        self.open_gate(gate)
        for caller in callers:
            done = caller.finish()
            self.assertExit(done, NEEDS_A_PERSON)
            self.assertSays(done, 'serve cannot start without you, in the step "migrate"; run: myapp migrate --to 7')
        self.assertStopped()
        status = self.genie("status")
        self.assertSays(status, "cannot start without you", "run: myapp migrate --to 7")
        failure = self.status()["last_failure"]
        self.assertEqual((failure["kind"], failure["step"], failure["advice"]),
                         ("refused", "migrate", "run: myapp migrate --to 7"))

    def test_a_server_that_refuses_and_ends_by_itself_is_told_alike(self):
        words = self.script(self.boot("migrate", "--refused", "run: myapp migrate"), "exit 1\n")
        done = self.genie("start", *words)
        self.assertExit(done, NEEDS_A_PERSON)
        self.assertSays(done, "cannot start without you", "run: myapp migrate")

    def test_boot_outside_of_a_guarded_command_is_wrong_usage(self):
        self.dir = None
        self.assertExit(self.genie("boot", "backfill"), USAGE)
        self.assertExit(self.genie("boot"), USAGE)
        self.assertExit(self.genie("boot", "backfill", "--ok", "--skipped"), USAGE)
        self.environment["NOTIFY_SOCKET"] = "nonsense"
        self.assertExit(self.genie("boot", "backfill"), USAGE)
        self.environment["NOTIFY_SOCKET"] = str(self.root / "nobody")
        done = self.genie("boot", "backfill")
        self.assertExit(done, FAILURE)
        self.assertSays(done, self.root / "nobody", "No such file")

    def test_what_cannot_be_understood_of_a_step_is_wrong_usage_and_told_to_nobody(self):
        self.dir = None
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.root / "notify"))
            systemd.setblocking(False)
            self.environment["NOTIFY_SOCKET"] = str(self.root / "notify")
            wrong = (["x", "--refused", ""], ["x", "--refused="], ["", "1", "2"], ["x", "-5"], ["x", "1", "-5"], ["x", "0x10"],
                     ["x", ""], ["x", "+5"], ["x", "5%"], ["x", "1", "18446744073709551616"])
            for words in wrong:
                with self.subTest(words):
                    done = self.genie("boot", *words)
                    self.assertExit(done, USAGE)
                    self.assertTrue(done.err, "says what is wrong")
            with self.assertRaises(BlockingIOError):
                systemd.recv(4096)
            self.genie_ok("boot", "x", "0755", "01000")
            self.assertIn("X_GENIE_DONE=755\nX_GENIE_TOTAL=1000\n", systemd.recv(4096).decode())

    def test_boot_speaks_to_any_supervisor(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(self.root / "notify"))
            systemd.settimeout(30)
            self.environment["NOTIFY_SOCKET"] = str(self.root / "notify")
            self.dir = None
            self.genie_ok("boot", "load\nREADY=1", "3", "4")
            lines = systemd.recv(4096).decode().split("\n")
        self.assertIn("STATUS=load READY=1, 3 of 4 (75 %)", lines)
        self.assertNotIn("READY=1", lines, "a step's name says nothing else")


class Failures(BootTest):
    def fail_at_gate(self, gate, how):
        return self.script(self.boot("backfill", "30", "100"), self.wait_at(gate), "echo too bad\n", how)

    def begin_and_join(self, words, count):
        callers = [self.spawn("ensure", *words) for _ in range(count)]
        self.wait_for_step("backfill")
        self.wait_for_waiters(callers)
        return callers

    def test_how_a_server_died_is_told_to_all_who_wait(self):
        gate = self.gate()
        for how, said, kind, value in (
            ("exit 3\n", "exited with status 3 before it was ready", "exited", 3),
            ("kill -KILL $$\n", "was ended by signal 9 before it was ready", "signalled", 9),
        ):
            with self.subTest(how):
                callers = self.begin_and_join(self.fail_at_gate(gate, how), 6)
                self.open_gate(gate)
                for caller in callers:
                    done = caller.finish()
                    self.assertExit(done, FAILURE)
                    self.assertSays(done, 'serve %s, in the step "backfill"' % said, self.dir / "serve.log", "too bad")
                self.assertStopped()
                failure = self.status()["last_failure"]
                self.assertEqual((failure["kind"], failure["value"], failure["step"]), (kind, value, "backfill"))
                self.assertIn("too bad", failure["tail"])
                self.assertEqual(failure["log"], str(self.dir / "serve.log"))
                # Two failures in a row keep the third out; a start by hand does not wait.
                self.genie_ok("start", *self.script())
                self.genie_ok("stop")

    def test_everybody_knows_within_milliseconds(self):
        gate, count = self.gate(), 8
        spans = []
        for _ in range(5 * ROUNDS):
            callers = self.begin_and_join(self.fail_at_gate(gate, "exec sleep 1000\n"), count)
            self.open_gate(gate)
            victim = wait_until(lambda: self.servers(["sleep", "1000"]), "the server has come that far")[0]
            ends = []

            def wait_for(caller):
                os.waitid(os.P_PID, caller.pid, os.WEXITED | os.WNOWAIT)
                ends.append(time.monotonic())

            waiters = [threading.Thread(target=wait_for, args=(caller,)) for caller in callers]
            for waiter in waiters:
                waiter.start()
            began = time.monotonic()
            os.kill(victim, signal.SIGKILL)
            for waiter in waiters:
                waiter.join()
            spans.append(max(ends) - began)
            for caller in callers:
                done = caller.finish()
                self.assertExit(done, FAILURE)
                self.assertSays(done, "was ended by signal 9")
            self.genie_ok("start", *self.script())  # and begin the count of failures anew
            self.genie_ok("stop")
        spans.sort()
        print("from the death of a booting server to the end of the last of %d callers: %.0f ms, at worst %.0f ms, "
              "in %d rounds" % (count, 1000 * spans[len(spans) // 2], 1000 * spans[-1], len(spans)), file=sys.stderr)

    def test_a_server_that_was_ended_together_with_its_supervisor_has_not_failed(self):
        run = self.spawn("run", *self.script(self.boot("backfill"), "exec sleep 1000\n"), start_new_session=True)
        self.wait_for_step("backfill")
        victim = self.status()["server_pid"]
        # It sees the end of the server and its own signal at the same time.
        run.send(signal.SIGSTOP)
        wait_until(lambda: process_stat(run.pid)[0] == "T", "it is stopped")
        os.killpg(run.pid, signal.SIGTERM)
        wait_until(lambda: process_stat(victim)[0] == "Z", "the server has ended")
        run.send(signal.SIGCONT)
        self.assertEqual(run.finish().code, -signal.SIGTERM)
        self.assertIsNone(self.status()["last_failure"])

    def test_the_last_one_is_kept_until_a_start_succeeds(self):
        self.assertIsNone(self.status()["last_failure"])
        failing = self.script(self.boot("backfill"), "echo too bad\n", "exit 3\n")
        self.assertExit(self.genie("ensure", *failing), FAILURE)
        for _ in range(2):
            done = self.genie("status")
            self.assertExit(done, NOT_RUNNING)
            self.assertSays(done, "serve stopped", "the last start failed at 2", "exited with status 3", "backfill",
                            "too bad")
            failure = self.status()["last_failure"]
            self.assertEqual((failure["kind"], failure["value"], failure["count"]), ("exited", 3, 1))
            self.assertLess(abs(failure["when_ms"] / 1000 - time.time()), 60)
        # Also while the next start is at it.
        gate = self.gate()
        starter = self.spawn("ensure", *self.script(self.wait_at(gate)))
        self.assertEqual(self.wait_for_state("starting")["last_failure"]["value"], 3)
        self.open_gate(gate)
        self.assertExit(starter.finish(), OK)
        self.assertIsNone(self.status()["last_failure"])
        self.assertNotIn("failed", self.genie("status").out)
        self.genie_ok("stop")
        self.assertIsNone(self.status()["last_failure"])

    def test_in_a_row_they_back_off(self):
        failing = self.script("echo too bad\n", "exit 3\n")
        for count in (1, 2):
            self.assertExit(self.genie("ensure", *failing), FAILURE)
            self.assertEqual(self.status()["last_failure"]["count"], count)
        before = self.log().count("too bad")
        done = self.genie("ensure", *failing)
        if done.code == TRY_AGAIN:  # a second has not passed yet, even on a busy machine
            self.assertRegex(done.text, r"failed to start 2 times in a row, and is not started on demand for \d+ ms")
            self.assertSays(done, "exited with status 3", "too bad", "`genie start` does not wait")
            self.assertEqual(self.log().count("too bad"), before, "nothing was started")
        # After a few more the pause is longer than any test takes.
        wait_until(lambda: self.genie("ensure", *failing) and self.status()["last_failure"]["count"] >= 5,
                   "it fails five times")
        before = self.log().count("too bad")
        for answer in self.at_once(8, "ensure", *failing):
            self.assertRefused(answer, "5 times in a row", "does not wait")
        self.assertEqual(self.log().count("too bad"), before)
        self.assertExit(self.genie("start", *failing), FAILURE)
        self.assertEqual(self.log().count("too bad"), before + 1)
        self.assertEqual(self.status()["last_failure"]["count"], 1, "a start by hand begins the count anew")
        self.genie_ok("start", *self.script())
        self.genie_ok("stop")
        self.genie_ok("ensure", *self.script())

    def test_a_program_that_cannot_be_executed_is_told_to_all(self):
        text = self.root / "text"
        text.write_text("no program")
        for program, errno_text in ((self.root / "missing", "No such file or directory"), (text, "Permission denied")):
            callers = self.at_once(2, "start", "--ready", "none", "--", program)
            for done in callers:
                self.assertExit(done, FAILURE)
                self.assertSays(done, "cannot be executed: " + errno_text, program)
            self.assertEqual(self.status()["last_failure"]["kind"], "not_executed")
            self.assertStopped()

    def test_a_log_that_has_grown_is_put_aside(self):
        log, former = self.dir / "serve.log", self.dir / "serve.log.1"
        self.make_dir()
        for round in ("one", "two"):
            log.write_text(round + "\n" + 1024 * 1024 * "x")
            log.chmod(0o600)
            done = self.genie("start", *self.script("echo too bad\n", "exit 3\n"))
            self.assertExit(done, FAILURE)
            self.assertSays(done, "too bad")
            self.assertEqual(former.read_text()[:4], round + "\n")
            self.assertLess(log.stat().st_size, 4096)
            self.assertEqual(stat.S_IMODE(log.stat().st_mode), 0o600)
            self.assertNotIn("x" * 10, self.status()["last_failure"]["tail"])
        # One that has not goes on.
        size = log.stat().st_size
        self.genie_ok("start", *self.script())
        self.assertGreaterEqual(log.stat().st_size, size)
        self.assertEqual(former.read_text()[:4], "two\n")


class CleanProcess(BootTest):
    """What a server gets of its starter: what was asked for, and nothing else."""

    READY = ("--ready", "none", "--")

    def environment_of(self, pid):
        words = pathlib.Path("/proc/%d/environ" % pid).read_bytes().decode().split("\0")
        return dict(word.split("=", 1) for word in words if word)

    def started(self, *options, **how):
        done = self.genie("ensure", *options, "--", *SLEEPER, **how)
        self.assertExit(done, OK)
        pid = self.status()["server_pid"]
        wait_until(lambda: pid in self.servers(SLEEPER), "it was executed")
        return pid

    def test_works_in_the_root_directory_or_where_it_is_told_to(self):
        pid = self.started()
        self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
        self.assertEqual(os.readlink("/proc/%d/cwd" % self.status()["pid"]), "/")
        self.genie_ok("stop")
        (self.root / "place").mkdir()
        pid = self.started("--chdir", "place")
        self.assertEqual(os.readlink("/proc/%d/cwd" % pid), str(self.root / "place"))
        self.genie_ok("stop")
        done = self.genie("ensure", "--chdir", self.root / "missing", "--", *SLEEPER)
        self.assertExit(done, FAILURE)
        self.assertSays(done, "No such file")
        self.assertEqual(self.processes(), [])

    def test_a_relative_command_is_found_from_where_the_caller_is(self):
        script = self.root / "here" / "server"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\nexec sleep 1000\n")
        script.chmod(0o755)
        for word in ("./server", "../here/server"):
            for subcommand in ("start", "ensure", "restart"):
                with self.subTest(word, subcommand=subcommand):
                    self.assertExit(self.genie(subcommand, "--", word, cwd=script.parent), OK)
                    pid = self.status()["server_pid"]
                    wait_until(lambda: pid in self.servers(SLEEPER), "it was executed")
                    self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
                    if subcommand != "ensure":
                        self.genie_ok("stop")
        self.genie_ok("stop")
        # A name without a slash is looked for in PATH, and nowhere else.
        done = self.genie("start", "--", "server", cwd=script.parent)
        self.assertExit(done, FAILURE)
        self.environment["PATH"] = "%s:%s" % (script.parent, self.environment["PATH"])
        self.genie_ok("start", "--", "server")

    def test_umask(self):
        def umask_of(pid):
            text = pathlib.Path("/proc/%d/status" % pid).read_text()
            return int(re.search(r"^Umask:\s*(\d+)$", text, re.M).group(1), 8)

        self.assertEqual(umask_of(self.started(preexec_fn=lambda: os.umask(0o027))), 0o027)
        self.genie_ok("stop")
        self.assertEqual(umask_of(self.started("--umask", "0002")), 0o002)
        # Whatever it is, genie's own files stay private.
        for path in self.dir.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)
        self.genie_ok("stop")
        for wrong in ("0008", "1000", "rwx", ""):
            self.assertExit(self.genie("ensure", "--umask", wrong, "--", *SLEEPER), USAGE)

    def test_environment(self):
        own = {
            "NOTIFY_SOCKET": "/run/other", "LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x",
            "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "MAINPID": "1",
        }
        self.environment.update(own, GENIE_TEST_WORD="kept", GENIE_TEST_OTHER="replaced", LISTEN_ADDR="0.0.0.0")
        pid = self.started("--env", "GENIE_TEST_OTHER=new=value", "--env", "GENIE_TEST_MORE=")
        seen = self.environment_of(pid)
        self.assertEqual(set(own) & set(seen), set())
        self.assertEqual(seen["GENIE_TEST_WORD"], "kept")
        self.assertEqual(seen["LISTEN_ADDR"], "0.0.0.0", "only looks like a service manager's")
        self.assertEqual(seen["GENIE_TEST_OTHER"], "new=value")
        self.assertEqual(seen["GENIE_TEST_MORE"], "")
        self.genie_ok("stop")
        mark = "=".join(self.mark.split("="))
        pid = self.started("--clear-env", "--env", mark, "--env", "PATH=" + self.environment["PATH"])
        self.assertEqual(set(self.environment_of(pid)), {"GENIE_TEST_MARK", "PATH"})
        self.genie_ok("stop")
        for wrong in ("", "=", "=value", "name"):
            self.assertExit(self.genie("ensure", "--env", wrong, "--", *SLEEPER), USAGE)

    def test_no_descriptor_and_no_pipe_of_the_callers(self):
        read, write = os.pipe()
        os.set_inheritable(write, True)
        self.addCleanup(os.close, read)
        high = fcntl.fcntl(write, fcntl.F_DUPFD, 500)
        pid = self.started(pass_fds=(write, high))
        os.close(write)
        os.close(high)
        self.assertEqual(os.read(read, 1), b"", "nobody has the pipe")
        allowed = {"/dev/null", str(self.dir / "serve.log"), str(self.dir / "serve.lock")}
        wait_until(lambda: set(descriptors(pid).values()) <= allowed, "it is loaded")
        for process in (pid, self.status()["pid"]):
            others = {target for target in descriptors(process).values()} - allowed
            if process == pid:
                self.assertEqual(others, set())
            else:  # the supervisor has its own
                self.assertFalse([target for target in others if target.startswith(("pipe:", str(self.root / "out")))])

    def test_who_reads_the_answer_is_not_kept_waiting(self):
        done = self.begin("sh", "-c", '"$@" 2>&1 | cat', "sh", *self.arguments("ensure", "--", *SLEEPER)).finish(20)
        self.assertExit(done, OK)
        self.assertTrue(self.servers(SLEEPER))

    def test_a_session_of_its_own_without_the_terminal(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY

        starter = self.spawn("ensure", "--", *SLEEPER, stdin=slave, stdout=slave, stderr=slave,
                             preexec_fn=take_terminal)
        os.close(slave)
        self.assertExit(starter.finish(), OK)
        status = self.status()
        for pid in (status["pid"], status["server_pid"]):
            fields = process_stat(pid)
            self.assertEqual(fields[4], "0", "no terminal")
            self.assertEqual(fields[3], str(status["pid"]), "the supervisor's session")
            self.assertNotIn("/dev/pts/", " ".join(descriptors(pid).values()))
        # The terminal's end, which ended the starter's session, did nothing to it.
        self.assertEqual(self.status()["state"], "running")

    def test_signals_have_their_default_meaning(self):
        # musl keeps the first of the real-time signals for itself, and lets nobody touch it.
        everything = set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGRTMIN}

        def odd_caller():
            for number in everything:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, everything)

        for subcommand in ("start", "ensure", "restart"):
            with self.subTest(subcommand):
                self.genie_ok(subcommand, "--", *SLEEPER, preexec_fn=odd_caller)
                pid = self.status()["server_pid"]
                wait_until(lambda: pid in self.servers(SLEEPER), "it was executed")
                self.assertEqual(signal_mask(pid, "SigBlk"), set())
                self.assertEqual(signal_mask(pid, "SigIgn"), set())
                self.genie_ok("stop")
                self.assertStopped()

    def test_a_caller_that_cannot_see_its_children_end_starts_servers_all_the_same(self):
        # With SIGCHLD ignored the kernel reaps them unasked.
        gate = self.gate()
        words = ("--ready", "notify", "--", *server("--gate", gate, "--fail", "3"))
        starter = self.spawn("ensure", *words, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.open_gate(gate)
        done = starter.finish()
        self.assertExit(done, FAILURE)
        self.assertSays(done, "exited with status 3")


class Description(BootTest):
    def test_build_and_version_are_told(self):
        self.genie_ok("ensure", "--build", "abc 123", "--server-version", "2.10.1", *self.script())
        status = self.status()
        self.assertEqual((status["build"], status["version"]), ("abc 123", "2.10.1"))


if __name__ == "__main__":
    unittest.main()
