"""What `genie run` makes of what its caller leaves it: signals that are ignored, a terminal, a limit, nobody who reads."""
import fcntl
import os
import pty
import resource
import shutil
import signal
import subprocess
import unittest

from _support import (
    FAILURE,
    NEEDS_A_PERSON,
    OK,
    SLEEPER,
    GenieTest,
    is_alive,
    server,
    signal_mask,
    wait_until,
)

READY = ("--ready", "notify", "--", *server("--notify", "READY=1"))


class Signals(GenieTest):
    def test_how_the_command_ended_is_known_where_the_end_of_children_is_ignored(self):
        for status in (0, 7):
            done = self.genie("run", "--", "sh", "-c", "exit %d" % status,
                              preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
            self.assertExit(done, status)

    def ignoring(self, *numbers):
        def ignore():
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)

        return {"preexec_fn": ignore}

    def test_what_the_caller_ignores_stays_ignored(self):
        """As nohup(1) does, and shells for what a script runs in the background."""
        numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
        run = self.spawn("run", *READY, **self.ignoring(*numbers))
        pid = self.wait_for_state("running")["server_pid"]
        self.assertLessEqual(set(numbers), signal_mask(pid, "SigIgn"))
        for number in numbers:
            run.send(number)
        run.send(signal.SIGTERM)
        done = run.finish()
        self.assertEqual((done.code, done.out), (0, "received SIGTERM\n"), done)

    def test_but_not_the_signal_by_which_the_command_wants_to_be_asked_to_end(self):
        run = self.spawn("run", "--stop-signal", "INT", *READY, **self.ignoring(signal.SIGINT, signal.SIGHUP))
        self.wait_for_state("running")
        self.genie_ok("stop")
        done = run.finish()
        self.assertEqual((done.code, done.out), (0, "received SIGINT\n"), done)

    def on_a_terminal(self, *arguments):
        """As the leader of its session. Returns: the terminal's other end, and the command."""
        master, slave = pty.openpty()

        def lead_session():
            os.setsid()
            fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY

        run = self.spawn("run", *arguments, stdin=slave, preexec_fn=lead_session)
        os.close(slave)
        return master, run

    def test_the_end_of_a_terminal_reaches_the_command_of_a_session_leader(self):
        """The kernel tells nobody but the leader."""
        master, run = self.on_a_terminal("--log", self.root / "log", *READY)
        self.wait_for_state("running")
        os.close(master)
        run.finish()
        self.assertEqual((self.root / "log").read_text(), "received SIGHUP\n")

    def test_a_signal_to_the_whole_group_while_it_boots_is_no_failure(self):
        gate = self.gate()
        run = self.spawn("run", "--ready", "notify", "--", *server("--say", "boots", "--gate", gate),
                         start_new_session=True)
        self.assertEqual(run.process.stdout.readline(), "boots\n")
        os.kill(run.pid, signal.SIGSTOP)  # it learns of the signal and of the command's end together
        os.killpg(run.pid, signal.SIGTERM)
        pid = self.status()["server_pid"]
        self.open_gate(gate)
        wait_until(lambda: not is_alive(pid), "the command ends")
        run.send(signal.SIGCONT)
        run.finish()
        self.assertIsNone(self.status()["last_failure"])

    def test_what_a_terminal_does_while_it_boots_is_no_failure(self):
        gate = self.gate()
        for end in (lambda master: os.write(master, b"\x03"), lambda master: os.write(master, b"\x1c"), os.close):
            master, run = self.on_a_terminal("--ready", "notify", "--", *server("--say", "boots", "--gate", gate))
            self.assertEqual(run.process.stdout.readline(), "boots\n")
            end(master)
            self.open_gate(gate)
            run.finish()
            self.assertIsNone(self.status()["last_failure"])
            if end is not os.close:
                os.close(master)


class Limits(GenieTest):
    def test_a_file_that_may_not_grow_is_an_error_that_is_told(self):
        limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))}
        for subcommand in ("run", "start", "ensure"):
            done = self.genie(subcommand, "--", *SLEEPER, **limited)
            self.assertExit(done, FAILURE)
            self.assertSays(done, "File too large")
        self.start()
        done = self.genie_ok("stop", **limited)
        self.assertSays(done, "serve stopped PID", "File too large", "so something may start it again")
        self.assertStopped()

    def test_a_log_that_is_a_fifo_which_nobody_reads_is_refused(self):
        log = self.root / "log"
        os.mkfifo(log)
        done = self.genie("run", "--log", log, "--", *SLEEPER)
        self.assertExit(done, FAILURE)
        self.assertSays(done, "cannot open the log %s" % log)
        self.assertStopped()

    def unwatched(self, *arguments, **options):
        """`genie run` where no user may watch anything."""
        may = ["unshare", "--user", "--map-root-user"]
        forbid = "echo 0 >/proc/sys/user/max_inotify_instances && "
        if not shutil.which("unshare") or subprocess.run([*may, "sh", "-c", forbid + "true"], capture_output=True).returncode:
            self.skipTest("no permission to limit what is watched")
        return self.begin(*may, "sh", "-c", forbid + 'exec "$@"', "sh", *self.arguments("run", *arguments), **options)

    def test_a_directory_that_cannot_be_watched_is_looked_at(self):
        run = self.unwatched("--", *SLEEPER)
        self.assertIn("cannot watch %s: Too many open files" % self.dir, run.process.stderr.readline())
        self.wait_for_state("running")
        self.dir.rename(self.root / "elsewhere")
        done = run.finish()
        self.assertSays(done, "lost %s (all_missing): ending sleep" % self.dir)


class Ends(GenieTest):
    def test_a_lost_directory_is_a_failure_however_the_command_ends(self):
        run = self.spawn("run", *READY)
        self.wait_for_state("running")
        self.dir.rename(self.root / "elsewhere")
        done = run.finish()
        self.assertExit(done, FAILURE)
        self.assertEqual(done.out, "received SIGTERM\n")

    def test_a_command_that_is_not_ready_in_time_is_a_failure_however_it_ends(self):
        done = self.genie("run", "--ready", "notify", "--ready-timeout", "1ms", "--", *SLEEPER)
        self.assertExit(done, FAILURE)
        self.assertSays(done, "was not ready (notify) within 1 ms")

    def test_a_refused_step_needs_a_person_whatever_the_command_says(self):
        for status in (0, 3):
            words = '"$0" boot migrate --refused "run: migrate"; exit %d' % status
            done = self.genie("run", "--ready", "notify", "--", "sh", "-c", words, self.command)
            self.assertExit(done, NEEDS_A_PERSON)
            self.assertSays(done, "run: migrate")


class Unread(GenieTest):
    """Standard output and error are pipes whose readers have gone."""

    def unread(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        return {"stdout": writer, "stderr": writer}

    def test_who_waits_for_a_boot_goes_on(self):
        gate = self.gate()
        words = ("--ready", "notify", "--", *server("--notify", "STATUS=Step", "--gate", gate, "--notify", "READY=1"))
        start = self.spawn("start", *words, **self.unread())
        wait_until(lambda: self.status()["boot"], "it boots")
        self.open_gate(gate)
        self.assertGreaterEqual(start.finish().code, OK)
        self.wait_for_state("running")
        self.assertGreaterEqual(self.genie("stop", **self.unread()).code, OK)
        self.assertStopped()


if __name__ == "__main__":
    unittest.main()
