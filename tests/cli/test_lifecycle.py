"""At most one server, whatever is killed when: many starters at once, stops, crashes, and what comes after them."""
import concurrent.futures
import errno
import os
import re
import resource
import signal
import socket
import time
import unittest

from _support import (
    DEAD,
    NOT_RUNNING,
    OK,
    ROUNDS,
    RUNNING,
    SLEEPER,
    TRY_AGAIN,
    GenieTest,
    free_port,
    is_alive,
    kill_at_once,
    server,
    wait_until,
)

READY = ("--ready", "notify", "--")


def ready_server(*options):
    """The end of a command line: a server that boots, says so, and goes on as `options` say."""
    return (*READY, *server("--notify", "READY=1", *options))


class Starting(GenieTest):
    def test_32_at_once_give_one_server_and_equal_answers(self):
        for _ in range(2 * ROUNDS):
            port = free_port()
            command = server("--slow", "0.2", "--tcp", port)
            options = ("--port", port, "--ready", "tcp:%d" % port, "--ready-timeout", "60s", "--", *command)
            answers = self.at_once(32, "ensure", *options)
            status = self.status()
            for done in answers:
                self.assertExit(done, OK)
                self.assertEqual(done.pid, status["pid"], done)
                self.assertRegex(done.out, r"^serve (started|already running) \(PID \d+\)\n$")
            self.assertEqual(self.servers(command), [status["server_pid"]])
            self.genie_ok("stop")
            self.assertStopped()

    def test_whoever_is_told_of_the_server_can_connect_to_it(self):
        port = free_port()
        command = server("--slow", "0.2", "--tcp", port)
        options = ("--port", port, "--ready", "tcp:%d" % port, "--", *command)
        refused = []

        def ensure_and_connect():
            self.assertExit(self.genie("ensure", *options), OK)
            try:
                socket.create_connection(("127.0.0.1", int(self.genie_ok("port").out))).close()
            except OSError as error:
                refused.append(error)

        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            for client in [threads.submit(ensure_and_connect) for _ in range(8)]:
                client.result()  # raises what it has raised
        self.assertEqual(refused, [])
        self.assertEqual(len(self.servers(command)), 1)

    def test_32_at_once_take_over_a_stale_record_once(self):
        for _ in range(2 * ROUNDS):
            status = self.start()
            self.leave_stale(status)
            pids = {done.pid for done in self.at_once(32, "ensure", "--", *SLEEPER) if not self.assertExit(done, OK)}
            status = self.status()
            self.assertEqual(pids, {status["pid"]})
            self.assertEqual(self.servers(SLEEPER), [status["server_pid"]])
            self.genie_ok("stop")

    def test_explicit_starts_and_ensures_mixed_give_one_server(self):
        runners = [self.spawn(word, "--", *SLEEPER) for word in ("start", "ensure", "run", "start", "ensure", "run")]
        status = self.wait_for_state("running")
        others = [runner for runner in runners if runner.pid != status["pid"]]
        wait_until(lambda: all(runner.has_ended for runner in others), "all but the owner answer")
        self.assertEqual(self.servers(SLEEPER), [self.status()["server_pid"]])
        self.assertEqual(self.status()["pid"], status["pid"])
        self.genie_ok("stop")
        for runner in runners:
            done = runner.finish()
            if done.code == OK:
                self.assertEqual(done.pid, status["pid"])
            else:
                self.assertEqual((runner.pid, done.code), (status["pid"], -signal.SIGTERM), done)


class Stopping(GenieTest):
    def test_ends_the_server_and_says_whom(self):
        status = self.start()
        done = self.genie_ok("stop")
        self.assertSays(done, "PID %d" % status["pid"])
        self.assertEqual(self.processes(), [])
        self.assertStopped()
        # The server that it stopped stays stopped, and stopping nobody is no failure.
        self.assertExit(self.genie("stop"), OK)
        self.assertStopped()

    def test_waits_until_the_server_has_ended(self):
        gate = self.gate()
        status = self.start(*ready_server("--end-gate", gate))
        stop = self.spawn("stop", "--grace", "60s")
        self.wait_for_state("stopping")
        self.assertFalse(stop.has_ended)
        self.assertTrue(is_alive(status["server_pid"]))
        self.open_gate(gate)
        self.assertExit(stop.finish(), OK)
        self.assertEqual(self.processes(), [])
        self.assertStopped()

    def test_twice_at_once_ends_well_for_both(self):
        for _ in range(5 * ROUNDS):
            self.start()
            for done in self.at_once(2, "stop"):
                self.assertExit(done, OK)
            self.assertEqual(self.processes(), [])
            self.assertStopped()

    def test_of_two_stops_neither_ends_before_the_server_has(self):
        gate = self.gate()
        self.start(*ready_server("--end-gate", gate))
        stops = [self.spawn("stop", "--grace", "60s") for _ in range(2)]
        sentinel = self.dir / "serve.stopping.lock"

        def both_work():
            return sentinel.exists() and sentinel.read_text().count("\nstopper ") == 2

        wait_until(both_work, "two stops are at work")
        self.open_gate(gate)
        for stop in stops:
            self.assertExit(stop.finish(), OK)
        self.assertEqual(self.processes(), [])
        self.assertStopped()
        self.assertEqual(self.log().count("received SIGTERM"), 1, "asked once")

    def test_keeps_every_ensure_out_until_it_is_done(self):
        gate = self.gate()
        status = self.start(*ready_server("--end-gate", gate))
        stop = self.spawn("stop", "--grace", "60s")
        self.wait_for_state("stopping")
        for done in self.at_once(8, "ensure", "--", *SLEEPER):
            self.assertRefused(done, "serve is shutting down")
        explicit = self.spawn("start", "--", *SLEEPER)
        self.wait_for_waiters([explicit])
        self.open_gate(gate)
        self.assertExit(stop.finish(), OK)
        self.assertFalse(is_alive(status["pid"]) or is_alive(status["server_pid"]))
        # Who starts by hand meanwhile has waited for the end of the stop.
        started = explicit.finish()
        self.assertExit(started, OK)
        self.assertSays(started, "serve started (PID")
        self.assertEqual(self.genie_ok("ensure", "--", *SLEEPER).pid, started.pid)

    def test_is_not_undone_by_clients_that_ensure_all_the_time(self):
        # Each client of a real system starts the server on demand; that must not bring it back while it is stopped.
        status = self.start(*ready_server())
        stop = self.spawn("stop")
        answers = self.at_once(16, "ensure", "--", *SLEEPER)
        self.assertExit(stop.finish(), OK)
        self.assertFalse(is_alive(status["pid"]) or is_alive(status["server_pid"]))
        for done in answers:
            self.assertIn(done.code, (OK, TRY_AGAIN), done)
        started = {done.pid for done in answers if done.code == OK} - {status["pid"]}
        self.assertLessEqual(len(started), 1, "started after the stop, and then once")
        self.assertEqual(len(self.servers(SLEEPER)), len(started))

    def test_a_server_that_ignores_the_request_is_killed_after_the_grace_period(self):
        status = self.start(*ready_server("--ignore", "SIGTERM"))
        done = self.genie_ok("stop", "--grace", "1s")
        self.assertSays(done, "killed")
        self.assertFalse(is_alive(status["pid"]) or is_alive(status["server_pid"]))
        self.assertIn("received SIGTERM", self.log(), "it was asked first")
        self.assertEqual(self.processes(), [])
        self.assertStopped()

    def test_a_suspended_owner_and_server_are_running_and_can_be_stopped(self):
        status = self.start()
        for pid in (status["pid"], status["server_pid"]):
            os.kill(pid, signal.SIGSTOP)
        report = self.status()
        self.assertEqual((report["state"], report["pid"], report["exit"]), ("running", status["pid"], RUNNING))
        self.assertEqual(self.genie_ok("ensure", "--", *SLEEPER).pid, status["pid"])
        self.genie_ok("stop", "--grace", "500ms")
        self.assertEqual(self.processes(), [])
        self.assertStopped()

    def test_processes_that_the_server_left_behind_are_ended_too(self):
        worker = server("--say", "worker")
        self.start("--", "sh", "-c", '"$@" & wait', "sh", *worker)
        wait_until(lambda: self.servers(worker), "the worker runs")
        self.genie_ok("stop")
        wait_until(lambda: not self.servers(worker), "the worker ends")
        self.assertStopped()

    def test_a_stop_that_was_killed_blocks_nothing_explicit(self):
        gate = self.gate()
        status = self.start(*ready_server("--end-gate", gate))
        stop = self.spawn("stop", "--grace", "60s")
        self.wait_for_state("stopping")
        stop.send(signal.SIGKILL)
        stop.finish()
        self.open_gate(gate)
        self.wait_for_end_of(status["pid"], status["server_pid"])
        self.assertRefused(self.genie("ensure", "--", *SLEEPER), "serve is shutting down")
        self.start()
        self.genie_ok("stop")
        # That stop was the last one at work; nothing of the killed one remains.
        self.assertEqual(self.status()["state"], "stopped")

    def test_while_the_server_boots(self):
        gate = self.gate()
        start = self.spawn("start", "--ready", "notify", "--", *server("--say", "booting", "--gate", gate))
        wait_until(lambda: "booting" in self.log(), "the server boots")
        status = self.status()
        # It is held up in its boot and does not look at signals.
        self.genie_ok("stop", "--grace", "500ms")
        self.assertNotEqual(start.finish().code, OK)
        self.assertFalse(is_alive(status["pid"]))
        self.assertEqual(self.processes(), [])
        self.assertStopped()


class KilledSupervisor(GenieTest):
    """`kill -9` of the supervisor never leads to two servers."""

    def test_the_server_is_told_to_end_and_the_next_start_takes_over(self):
        for subcommand in ("start", "ensure", "run"):
            with self.subTest(subcommand):
                status = self.start(*ready_server())
                kill_at_once(status["pid"])
                self.wait_for_end_of(status["server_pid"])
                self.assertTrue(self.log().endswith("received SIGTERM\n"))
                report = self.wait_for_state("stale")
                self.assertEqual((report["exit"], report["pid"]), (DEAD, status["pid"]))
                if subcommand == "run":
                    self.assertExit(self.genie("run", "--", "true"), OK)
                else:
                    done = self.genie_ok(subcommand, "--", *SLEEPER)
                    self.assertSays(done, "serve started")
                    self.assertEqual(len(self.servers(SLEEPER)), 1)
                    self.genie_ok("stop")
                self.assertStopped()

    def test_it_is_told_in_the_way_that_it_wants(self):
        status = self.start("--stop-signal", "INT", *ready_server())
        kill_at_once(status["pid"])
        self.wait_for_end_of(status["server_pid"])
        self.assertIn("received SIGINT\n", self.log())

    def test_a_server_that_stays_is_named_as_orphaned_until_it_is_stopped(self):
        command = ready_server("--ignore", "SIGTERM")
        status = self.start(*command)
        kill_at_once(status["pid"])
        report = self.wait_for_state("orphaned")
        self.assertNotIn(report["exit"], (RUNNING, NOT_RUNNING))
        self.assertEqual(report["server_pid"], status["server_pid"])
        for style in ([], ["--explain"]):
            done = self.genie("status", *style)
            self.assertSays(done, "orphaned", status["server_pid"], "python")
        self.assertExit(self.genie("port"), NOT_RUNNING)

        for done in (*self.at_once(8, "ensure", *command), self.genie("start", *command), self.genie("run", *command)):
            self.assertRefused(done, "orphaned", status["server_pid"])
        self.assertEqual(self.servers(command[3:]), [status["server_pid"]])

        self.genie_ok("stop", "--grace", "500ms")
        self.assertFalse(is_alive(status["server_pid"]))
        self.assertStopped()
        self.start()

    def test_a_server_that_takes_its_time_is_waited_for(self):
        gate = self.gate()
        status = self.start(*ready_server("--end-gate", gate))
        kill_at_once(status["pid"])
        self.wait_for_state("orphaned")
        self.assertRefused(self.genie("ensure", "--", *SLEEPER), status["server_pid"])
        self.open_gate(gate)
        self.wait_for_state("stale")
        self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)

    def test_while_the_server_boots(self):
        gate = self.gate()
        command = server("--say", "booting", "--gate", gate, "--notify", "READY=1")
        start = self.spawn("start", "--ready", "notify", "--", *command)
        wait_until(lambda: "booting" in self.log(), "the server boots")
        status = self.status()
        kill_at_once(status["pid"])
        self.assertNotEqual(start.finish().code, OK)
        # It is held up in its boot and does not look at signals: two would run if anybody could claim now.
        self.wait_for_state("orphaned")
        self.assertRefused(self.genie("ensure", "--", *SLEEPER))
        self.genie_ok("stop", "--grace", "500ms")
        self.assertEqual(self.processes(), [])
        self.start()

    def test_at_any_moment_of_a_start_leaves_at_most_one_server(self):
        def ensured():
            """Either somebody is still on the way out, or we win."""
            done = self.genie("ensure", "--", *SLEEPER)
            self.assertIn(done.code, (OK, TRY_AGAIN), done)
            return done if done.code == OK else None

        for number in range(20 * ROUNDS):
            run = self.spawn("run", "--", *SLEEPER)
            time.sleep(0.0005 * (number % 20))  # from before the claim to after the exec
            run.send(signal.SIGKILL)
            run.finish()
            done = wait_until(ensured, "the next start wins")
            status = self.status()
            self.assertEqual((status["state"], status["pid"]), ("running", done.pid))
            self.assertEqual(self.servers(SLEEPER), [status["server_pid"]])
            self.genie_ok("stop")


class KilledServer(GenieTest):
    def test_the_supervisor_goes_with_it_and_nothing_is_left(self):
        status = self.start()
        kill_at_once(status["server_pid"])
        self.wait_for_end_of(status["pid"])
        self.assertStopped()

    def test_a_child_of_it_that_holds_the_lock_is_named(self):
        worker = server("--say", "worker")
        status = self.start("--", "sh", "-c", '"$@" & wait', "sh", *worker)
        child = wait_until(lambda: self.servers(worker), "the worker runs")[0]
        kill_at_once(status["server_pid"])
        self.wait_for_end_of(status["pid"])
        self.assertEqual(self.status()["state"], "orphaned")
        self.assertSays(self.genie("status"), child)
        self.assertRefused(self.genie("ensure", "--", *SLEEPER), child, "`genie stop --orphans`")
        # It may be something else by now: nobody is signalled unless somebody says so.
        self.assertRefused(self.genie("stop"), child, "python", "`genie stop --orphans`")
        self.assertTrue(is_alive(child))
        self.assertFalse((self.dir / "serve.stopping.lock").exists())
        self.genie_ok("stop", "--orphans")
        self.assertFalse(is_alive(child))
        self.assertStopped()

    def test_a_child_that_left_its_group_is_named_by_the_stop_that_leaves_it_behind(self):
        worker = server("--say", "worker")
        for options in ((), ("--orphans",)):
            with self.subTest(options):
                self.start("--", "sh", "-c", 'setsid "$@" & wait', "sh", *worker)
                child = wait_until(lambda: self.servers(worker), "the worker runs")[0]
                done = self.genie_ok("stop", *options)
                self.assertEqual(is_alive(child), not options)
                if not options:
                    self.assertSays(done, "still held by python", child, "`genie stop --orphans`")
                    self.genie_ok("stop", "--orphans")
                self.assertStopped()

    def test_all_of_its_children_that_hold_the_lock_are_ended_by_one_stop(self):
        # A PostgreSQL with some clients has more processes than this.
        status = self.start("--", "sh", "-c", "for i in $(seq 20); do sleep 2000 & done; wait")
        wait_until(lambda: len(self.servers(["sleep", "2000"])) == 20, "the workers run")
        kill_at_once(status["server_pid"])
        self.wait_for_end_of(status["pid"])
        self.assertEqual(self.status()["state"], "orphaned")
        self.genie_ok("stop", "--orphans")
        self.assertEqual(self.servers(["sleep", "2000"]), [])
        self.assertStopped()


class KilledBoth(GenieTest):
    def test_a_stale_record_is_left_and_the_next_start_takes_over(self):
        for subcommand in ("start", "ensure"):
            with self.subTest(subcommand):
                status = self.start()
                report = self.leave_stale(status)
                self.assertEqual((report["exit"], report["pid"]), (DEAD, status["pid"]))
                done = self.genie_ok(subcommand, "--", *SLEEPER)
                self.assertSays(done, "serve started")
                self.assertNotEqual(done.pid, status["pid"])
                self.genie_ok("stop")

    def test_stop_removes_what_was_left(self):
        status = self.start("--port", "4711", "--", *SLEEPER)
        self.leave_stale(status)
        self.assertExit(self.genie("stop"), OK)
        self.assertStopped()
        self.assertEqual(sorted(os.listdir(self.dir)), ["serve.lock", "serve.log"])

    def test_the_generation_grows_over_it(self):
        generations = []
        for _ in range(3):
            status = self.start()
            lock = (self.dir / "serve.lock").read_text()
            generations.append(int(re.search(r"^generation (\d+)$", lock, re.M).group(1)))
            self.leave_stale(status)
        self.assertEqual(generations, sorted(set(generations)))


class RemovedFiles(GenieTest):
    """Somebody deletes genie's files under a live owner: never two servers."""

    def assertStillOne(self, status):
        done = self.genie("ensure", "--", *SLEEPER)
        self.assertIn(done.code, (OK, TRY_AGAIN), done)
        wait_until(lambda: len(self.servers(SLEEPER)) <= 1, "at most one server")

    def test_the_record(self):
        status = self.start()
        (self.dir / "serve.pid").unlink()
        self.assertStillOne(status)
        self.assertEqual(self.status()["pid"], status["pid"])
        self.assertTrue(is_alive(status["server_pid"]))

    def test_the_lock(self):
        status = self.start()
        (self.dir / "serve.lock").unlink()
        self.assertStillOne(status)
        self.assertEqual(self.status()["pid"], status["pid"])

    def test_the_directory(self):
        status = self.start()
        # The lock first: a record that goes while the lock stands is restored, into a directory that is not empty then.
        for path in sorted(self.dir.iterdir(), key=lambda path: path.name != "serve.lock"):
            path.unlink()
        self.dir.rmdir()
        self.assertStillOne(status)
        self.wait_for_end_of(status["server_pid"])


class UntoldFiles(GenieTest):
    """What a supervisor says of files that it misses, and that it is not kept busy by them."""

    def serve(self, **options):
        runner = self.spawn("run", "--", *SLEEPER, **options)
        report = self.wait_for_state("running")
        self.assertEqual(report["pid"], runner.pid)
        return runner

    def change_directory(self):
        for _ in range(3):
            self.record("", "beside").unlink()

    def said(self, runner):
        """All that it says until its end."""
        self.genie_ok("stop")
        return runner.finish().err

    def test_a_record_that_cannot_be_restored_is_told_once_and_restored_as_soon_as_it_can_be(self):
        runner = self.serve()
        record = self.dir / "serve.pid"
        record.unlink()
        self.assertEqual(runner.process.stderr.readline(), "genie: somebody removed serve.pid; restored it\n")
        wait_until(record.exists, "it is restored")
        before = resource.prlimit(runner.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        record.unlink()
        told = runner.process.stderr.readline()
        self.assertIn("somebody removed serve.pid, and it can't be restored: cannot write", told)
        self.assertIn(os.strerror(errno.EFBIG), told)
        self.change_directory()  # it tries again
        self.assertEqual(self.status()["pid"], runner.pid)
        self.assertFalse(record.exists())
        resource.prlimit(runner.pid, resource.RLIMIT_FSIZE, before)
        wait_until(record.exists, "it is restored")
        self.assertEqual(self.said(runner), "genie: somebody removed serve.pid; restored it\n")

    def test_a_record_is_restored_that_went_before_the_directory_was_watched(self):
        self.leave_stale(self.start())
        reader, writer = os.pipe()
        with open(reader, "rb", buffering=0) as said, open(writer, "wb", buffering=0) as err:
            # It waits for room when it says that it takes over, which it has just done.
            os.set_blocking(writer, False)
            while err.write(b"." * 4096):
                pass
            os.set_blocking(writer, True)
            runner = self.spawn("run", "--", *SLEEPER, stderr=err)
            record = self.dir / "serve.pid"
            wait_until(lambda: record.read_text().startswith("%d:" % runner.pid), "it has claimed")
            record.unlink()
            text = b""
            while b"restored it" not in text:
                text += said.read(65536)
            self.assertTrue(record.exists())

    def test_a_missing_lock_is_told_once(self):
        runner = self.serve()
        (self.dir / "serve.lock").unlink()
        told = runner.process.stderr.readline()
        self.assertEqual(told, "genie: somebody removed serve.lock; its record still keeps others out\n")
        self.change_directory()
        self.assertNotIn("somebody removed serve.lock", self.said(runner))


class Unheard(GenieTest):
    """What is said must not end what is done: standard error is a log on a full disk, or a pipe that nobody reads."""

    def setUp(self):
        super().setUp()
        full = open("/dev/full", "w")
        self.addCleanup(full.close)
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        self.full, self.broken = {"stderr": full}, {"stderr": writer}

    def test_a_supervisor_takes_over_and_looks_after_its_files(self):
        for unheard in (self.full, self.broken):
            with self.subTest(unheard):
                self.leave_stale(self.start())
                runner = self.spawn("run", "--", *SLEEPER, **unheard)
                wait_until(lambda: self.status()["pid"] == runner.pid and self.servers(SLEEPER), "it serves")
                record = self.dir / "serve.pid"
                record.unlink()
                wait_until(record.exists, "it is restored")
                self.genie_ok("stop")
                self.assertExit(runner.finish(), -signal.SIGTERM)

    def test_an_exit_status_says_the_same(self):
        self.assertExit(self.genie("port", **self.full), NOT_RUNNING)
        self.assertExit(self.genie("status", **self.full), NOT_RUNNING)


if __name__ == "__main__":
    unittest.main()
