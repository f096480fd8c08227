"""Start on demand: many callers and one start, whoever dies meanwhile; stops that win; callers inside the server."""
import os
import signal
import sys
import time
import unittest

from _support import (
    FAILURE,
    IS_EMULATED,
    OK,
    ROUNDS,
    SLEEPER,
    TRY_AGAIN,
    GenieTest,
    is_alive,
    kill_at_once,
    server,
    wait_until,
    watches,
)

# How many callers there are at once.
MANY = 64

DAEMON = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
# Its parents have ended by now, or will have: either way it must be recognised.
os.execv(sys.argv[1], sys.argv[1:])
"""


class OnDemandTest(GenieTest):
    READY = ("--ready", "notify", "--ready-timeout", "60s")

    def booting(self, gate):
        """Words for a server that says so, and waits at the gate before it is ready."""
        return (*self.READY, "--", *server("--say", "begun", "--gate", gate, "--notify", "READY=1"))

    def ready(self, *options):
        return (*self.READY, "--", *server("--say", "begun", "--notify", "READY=1", *options))

    def servers_begun(self):
        """How many servers there ever were, as they tell themselves."""
        return self.log().count("begun\n")

    def join(self, count, *words):
        return [self.spawn("ensure", *words) for _ in range(count)]

    def assertOneServer(self, answers, begun=1):
        """All answers name the one server that lives. Returns: its status."""
        status = self.status()
        self.assertEqual(status["state"], "running", status)
        for done in answers:
            self.assertExit(done, OK)
            self.assertEqual(done.pid, status["pid"], done)
        self.assertEqual(self.servers_begun(), begun, "servers that were begun, as the log tells")
        self.assertTrue(is_alive(status["server_pid"]))
        return status


class SingleFlight(OnDemandTest):
    def test_64_at_once_make_one_server_where_none_was(self):
        for number in range(ROUNDS):
            self.assertOneServer(self.at_once(MANY, "ensure", *self.ready()), begun=number + 1)
            self.genie_ok("stop")

    def test_64_at_once_make_one_server_after_a_crash(self):
        for number in range(ROUNDS):
            self.genie_ok("start", *self.ready())
            status = self.status()
            self.leave_stale(status)
            after = self.assertOneServer(self.at_once(MANY, "ensure", *self.ready()), begun=2 * number + 2)
            self.assertNotEqual(after["pid"], status["pid"])
            self.genie_ok("stop")

    def test_64_at_once_join_a_start_whose_starter_is_suspended(self):
        gate = self.gate()
        starter = self.spawn("ensure", *self.booting(gate))
        wait_until(self.servers_begun, "the server boots")
        starter.send(signal.SIGSTOP)
        callers = self.join(MANY, *self.booting(gate))
        self.wait_for_waiters(callers)
        self.open_gate(gate)
        answers = [caller.finish() for caller in callers]
        self.assertFalse(starter.has_ended, "nobody needed it")
        starter.send(signal.SIGCONT)
        self.assertOneServer([starter.finish(), *answers])

    def test_a_starter_that_is_suspended_at_any_moment_makes_no_second_server(self):
        for number in range(16 * ROUNDS):
            before = self.servers_begun()
            starter = self.spawn("ensure", *self.ready())
            time.sleep(0.0005 * (number % 16))  # from before the claim to after the handover
            starter.send(signal.SIGSTOP)
            callers = self.join(4, *self.ready())
            # Either they wait for the one that is suspended, or that had done nothing yet, and one of them starts.
            wait_until(lambda: all(caller.has_ended or watches(caller.pid) for caller in callers), "they wait or end")
            starter.send(signal.SIGCONT)
            self.assertOneServer([starter.finish(), *(caller.finish() for caller in callers)], begun=before + 1)
            self.genie_ok("stop")

    def test_a_server_whose_starter_was_killed_goes_on_for_everybody_else(self):
        gate = self.gate()
        starter = self.spawn("ensure", *self.booting(gate))
        wait_until(self.servers_begun, "the server boots")
        owner = self.status()["pid"]
        early = self.join(MANY // 2, *self.booting(gate))
        self.wait_for_waiters(early)
        starter.send(signal.SIGKILL)
        starter.finish()
        late = self.join(MANY // 2, *self.booting(gate))
        self.wait_for_waiters(early + late)
        self.assertEqual(self.status()["pid"], owner)
        self.open_gate(gate)
        status = self.assertOneServer([caller.finish() for caller in (*early, *late)])
        self.assertEqual(status["pid"], owner)

    def test_a_starter_that_is_killed_at_any_moment_keeps_nobody_waiting(self):
        for number in range(20 * ROUNDS):
            before = self.servers_begun()
            starter = self.spawn("ensure", *self.ready())
            callers = self.join(3, *self.ready())
            time.sleep(0.001 * (number % 20))
            starter.send(signal.SIGKILL)
            starter.finish()
            answers = [caller.finish() for caller in callers]
            status = self.status()
            # It went on without its starter, or one of the others has made another one; not two at a time.
            self.assertEqual({done.pid for done in answers}, {status["pid"]}, [str(done) for done in answers])
            self.assertIn(self.servers_begun(), (before + 1, before + 2))
            wait_until(lambda: len(self.servers(self.ready()[5:])) == 1, "one server")
            self.genie_ok("stop")

    def test_of_a_server_whose_starter_was_killed_everybody_learns_how_it_failed(self):
        gate = self.gate()
        words = (*self.READY, "--", *server("--say", "begun", "--gate", gate, "--say", "too bad", "--fail", "9"))
        starter = self.spawn("ensure", *words)
        wait_until(self.servers_begun, "the server boots")
        callers = self.join(4, *words)
        self.wait_for_waiters(callers)
        starter.send(signal.SIGKILL)
        starter.finish()
        self.open_gate(gate)
        for caller in callers:
            done = caller.finish()
            self.assertExit(done, FAILURE)
            self.assertSays(done, "exited with status 9 before it was ready", "serve.log", "too bad")
        self.assertEqual(self.servers_begun(), 1, "nobody tried again behind their backs")

    def test_starts_with_different_commands_make_the_first_one_only(self):
        status = self.start(*self.ready())
        done = self.genie_ok("start", "--", "touch", self.root / "ran")
        self.assertSays(done, "already running (PID %d)" % status["pid"])
        self.assertFalse((self.root / "ran").exists())
        self.assertEqual(self.status()["server_pid"], status["server_pid"])
        # At once, too: whoever comes second gets the other's server.
        self.genie_ok("stop")
        gate = self.gate()
        first = self.spawn("start", *self.booting(gate))
        wait_until(lambda: self.servers_begun() == 2, "the server boots")
        second = self.spawn("start", "--", "touch", self.root / "ran")
        self.wait_for_waiters([second])
        self.open_gate(gate)
        self.assertEqual(first.finish().pid, second.finish().pid)
        self.assertFalse((self.root / "ran").exists())

    def test_a_caller_whose_time_is_up_leaves_the_server_to_others(self):
        gate = self.gate()
        for _ in range(2):  # who starts it, and who joins
            done = self.genie("ensure", "--deadline", "3s", *self.booting(gate))
            self.assertRefused(done, "is being started", "was not ready in time")
        owner = self.status()["pid"]
        patient = self.spawn("ensure", *self.booting(gate))
        self.open_gate(gate)
        self.assertEqual(self.assertOneServer([patient.finish()])["pid"], owner)


class KilledSupervisor(OnDemandTest):
    def test_while_the_server_boots_everybody_is_told_and_the_next_one_starts(self):
        gate = self.gate()
        callers = self.join(8, *self.booting(gate))
        wait_until(self.servers_begun, "the server boots")
        status = self.status()
        self.wait_for_waiters(callers)
        kill_at_once(status["pid"])
        # Held up at the gate, the server does not look at the signal by which it is told.
        self.wait_for_state("orphaned")
        self.assertRefused(self.genie("ensure", *self.ready()), "orphaned", status["server_pid"])
        kill_at_once(status["server_pid"])
        for caller in callers:
            done = caller.finish()
            self.assertIn(done.code, (FAILURE, TRY_AGAIN), done)
        self.assertOneServer([self.genie_ok("ensure", *self.ready())], begun=2)

    def test_at_any_moment_of_a_start_there_are_never_two_servers(self):
        command = self.ready()[5:]

        def ensured():
            """Either somebody is still on the way out, or we win."""
            done = self.genie("ensure", *self.ready())
            self.assertLessEqual(len(self.servers(command)), 1)
            self.assertIn(done.code, (OK, FAILURE, TRY_AGAIN), done)
            return done if done.code == OK else None

        for number in range(20 * ROUNDS):
            starter = self.spawn("ensure", *self.ready())
            heir = wait_until(lambda: starter.has_ended or self.status()["pid"], "a supervisor is there")
            if heir is not True:
                time.sleep(0.001 * (number % 20))
                try:
                    kill_at_once(heir)
                except ProcessLookupError:
                    pass
                self.wait_for_end_of(heir)
            starter.finish()
            done = wait_until(ensured, "the next start wins")
            status = self.status()
            self.assertEqual((status["state"], status["pid"]), ("running", done.pid))
            wait_until(lambda: self.servers(command) == [status["server_pid"]], "one server")
            self.genie_ok("stop")


class StopsWin(OnDemandTest):
    """Every way to start something, while a stop is at work, after one was killed, and without one."""

    ENTRIES = ("ensure", "start", "restart", "run")

    def entry(self, word):
        grace = ("--grace", "60s") if word == "restart" else ()
        return self.spawn(word, *grace, "--ready", "none", "--", *SLEEPER)

    def wait_until_it_waits(self, runner):
        self.wait_for_waiters([runner])

    def let_end(self, gate, status, stop):
        self.open_gate(gate)
        done = stop.finish()
        self.wait_for_end_of(status["pid"], status["server_pid"])
        return done

    def assertStarted(self, word, runner, status):
        """It has made a server of its own, not the one that was there before."""
        after = self.wait_for_state("running")
        self.assertNotEqual(after["pid"], status["pid"])
        self.assertEqual(self.servers(SLEEPER), [after["server_pid"]])
        if word == "run":
            self.assertEqual(after["pid"], runner.pid)
        else:
            done = runner.finish()
            self.assertExit(done, OK)
            self.assertEqual(done.pid, after["pid"], done)
        self.genie_ok("stop")
        if word == "run":
            runner.finish()

    def test_without_a_stop_each_starts(self):
        for word in self.ENTRIES:
            with self.subTest(word):
                self.assertStarted(word, self.entry(word), {"pid": None})

    def test_during_a_stop_ensure_is_refused_and_the_others_wait_for_its_end(self):
        gate = self.gate()
        for word in self.ENTRIES:
            with self.subTest(word):
                status = self.start(*self.ready("--end-gate", gate))
                stop = self.spawn("stop", "--grace", "60s")
                self.wait_for_state("stopping")
                runner = self.entry(word)
                if word == "ensure":
                    self.assertRefused(runner.finish(), "serve is shutting down", "PID %d" % stop.pid)
                    self.assertExit(self.let_end(gate, status, stop), OK)
                    self.assertStopped()
                    continue
                self.wait_until_it_waits(runner)
                self.assertFalse(runner.has_ended)
                self.assertEqual(self.status()["pid"], status["pid"])
                self.assertEqual(self.servers(SLEEPER), [])
                self.assertExit(self.let_end(gate, status, stop), OK)
                self.assertStarted(word, runner, status)

    def test_after_a_killed_stop_ensure_is_refused_and_the_others_start_at_once(self):
        gate = self.gate()
        for word in self.ENTRIES:
            with self.subTest(word):
                status = self.start(*self.ready("--end-gate", gate))
                stop = self.spawn("stop", "--grace", "60s")
                self.wait_for_state("stopping")
                stop.send(signal.SIGKILL)
                self.let_end(gate, status, stop)
                runner = self.entry(word)
                if word == "ensure":
                    self.assertRefused(runner.finish(), "serve is shutting down")
                else:
                    self.assertStarted(word, runner, status)
                # Its sentinel stands until it expires; the next round needs none.
                (self.dir / "serve.stopping.lock").unlink()

    def test_a_stop_that_comes_while_the_server_boots_ends_it_for_everybody(self):
        gate = self.gate()
        callers = self.join(4, *self.booting(gate))
        wait_until(self.servers_begun, "the server boots")
        self.wait_for_waiters(callers)
        self.genie_ok("stop", "--grace", "200ms")
        for caller in callers:
            done = caller.finish()
            self.assertNotEqual(done.code, OK, done)
            self.assertNotIn("exited", done.text, "it did not fail by itself")
        self.assertEqual(self.processes(), [])
        self.assertStopped()
        self.assertIsNone(self.status()["last_failure"])


class Role(OnDemandTest):
    """Whoever asks for the server inside the server is told so: nothing is started, nothing is waited for."""

    def ensure(self):
        return "%s ensure --dir %s -- touch %s" % (self.command, self.dir, self.root / "ran")

    def inside(self):
        """Ways to ask for the server, each a shell command."""
        ensure = self.ensure()
        return {
            "a child": ensure,
            "a grandchild": "sh -c '%s; exit $?'" % ensure,
            "without any environment": "env -i %s" % ensure,
            "a session of its own": "setsid -w %s" % ensure,
            "an explicit start": ensure.replace(" ensure ", " start "),
        }

    def daemons(self):
        """Such ways, of who has no parent any more."""
        daemon = "%s -I -S -B %s" % (sys.executable, self.root / "daemon.py")
        (self.root / "daemon.py").write_text(DAEMON)
        return {
            "a daemon": "%s %s" % (daemon, self.ensure()),
            "a daemon without any environment": "env -i %s %s" % (daemon, self.ensure()),
        }

    def check(self, subcommand, is_booting, ways):
        answers = self.root / "answers"
        answers.mkdir(exist_ok=True)
        script = ""
        gate = self.root / "gate"
        for number, way in enumerate(ways.values()):
            # Written under another name first: whoever sees it sees all of it.
            answer = answers / str(number)
            script += "{ %s; echo exit $?; } >%s.part 2>&1\n" % (way, answer)
            script += "until grep -q PID %s.part || ! grep -q 'exit 0' %s.part; do :; done\n" % (answer, answer)
            script += "mv %s.part %s\n" % (answer, answer)
        ready = " ".join(server("--notify", "READY=1"))
        if not is_booting:
            self.gate()
            script = "{ cat %s\n%s } &\n" % (gate, script)
        script += "exec %s\n" % ready
        command = (self.command, subcommand, "--dir", self.dir, *self.READY, "--", "sh", "-c", script)
        runner = self.begin(*command)
        status = self.wait_for_server(*(("starting", "running") if is_booting else ("running",)))
        if not is_booting:
            self.open_gate(gate)
            gate.unlink()
        wait_until(lambda: len(list(answers.glob("?"))) == len(ways), lambda: "all answer: %s" % os.listdir(answers))
        for number, way in enumerate(ways):
            with self.subTest(way, subcommand=subcommand, booting=is_booting):
                text = (answers / str(number)).read_text()
                self.assertIn("serve is what this runs in (PID %d): nothing was started" % status["pid"], text)
                self.assertIn("exit 0\n", text)
            (answers / str(number)).unlink()
        self.assertFalse((self.root / "ran").exists())
        self.assertEqual(self.wait_for_state("running")["pid"], status["pid"])
        self.genie_ok("stop")
        if subcommand == "run":
            runner.finish()
        else:
            self.assertExit(runner.finish(), OK)

    def test_while_it_boots(self):
        for subcommand in ("ensure", "run"):
            self.check(subcommand, True, self.inside())

    def test_when_it_runs(self):
        for subcommand in ("ensure", "run"):
            self.check(subcommand, False, self.inside())

    @unittest.skipIf(IS_EMULATED, "qemu has no PR_SET_CHILD_SUBREAPER, without which daemons are strangers")
    def test_as_a_daemon(self):
        for subcommand in ("ensure", "run"):
            for is_booting in (True, False):
                self.check(subcommand, is_booting, self.daemons())

    def test_the_guarded_command_itself(self):
        for subcommand in ("run", "start"):
            with self.subTest(subcommand):
                log = self.root / "log"
                done = self.genie(subcommand, "--log", log, "--", self.command, "ensure", "--dir", self.dir, "--",
                                  "touch", self.root / "ran")
                # What ends at once may have done so before `start` has seen it run.
                self.assertIn(done.code, (OK,) if subcommand == "run" else (OK, FAILURE), done)
                wait_until(lambda: "serve is what this runs in" in log.read_text(), "the answer")
                log.unlink()
                self.assertFalse((self.root / "ran").exists())
                self.wait_for_state("stopped")

    def test_an_environment_that_lies_makes_no_difference(self):
        # Whatever the caller inherited from some server, it is not inside ours.
        inner = self.root / "inner"
        script = "%s ensure --dir %s -- sleep 1000" % (self.command, inner)
        self.assertExit(self.genie("run", "--", "sh", "-c", script), OK)
        self.assertEqual(self.status("--dir", inner)["state"], "running")


class Restart(OnDemandTest):
    def test_where_nothing_runs_it_starts(self):
        done = self.genie_ok("restart", *self.ready())
        self.assertSays(done, "serve started")
        self.assertOneServer([done])

    def test_replaces_the_server_by_another_one(self):
        before = self.start(*self.ready())
        done = self.genie_ok("restart", *self.ready())
        status = self.assertOneServer([done], begun=2)
        self.assertNotEqual(status["pid"], before["pid"])
        self.assertFalse(is_alive(before["pid"]) or is_alive(before["server_pid"]))
        self.assertEqual(self.log().count("received SIGTERM"), 1)

    def test_clients_that_ensure_meanwhile_get_the_new_one_and_never_make_a_third(self):
        gate = self.gate()
        before = self.start(*self.ready("--end-gate", gate))
        restart = self.spawn("restart", "--grace", "60s", *self.ready())
        self.wait_for_state("stopping")
        waiting = self.spawn("ensure", *self.ready())
        self.wait_for_waiters([waiting])
        self.open_gate(gate)
        status = self.assertOneServer([waiting.finish(), self.genie("ensure", *self.ready())], begun=2)
        done = restart.finish()
        self.assertExit(done, OK)
        self.assertEqual(done.pid, status["pid"])
        self.assertNotEqual(status["pid"], before["pid"])

    def test_a_server_that_will_not_end_is_killed(self):
        before = self.start(*self.ready("--ignore", "SIGTERM"))
        self.genie_ok("restart", "--grace", "300ms", *self.ready())
        self.assertFalse(is_alive(before["server_pid"]))
        self.assertEqual(self.servers_begun(), 2)

    def test_what_fails_to_start_is_told_and_the_former_one_stays_gone(self):
        self.start(*self.ready())
        done = self.genie("restart", *self.READY, "--", *server("--say", "too bad", "--fail", "3"))
        self.assertExit(done, FAILURE)
        self.assertSays(done, "exited with status 3", "too bad")
        self.assertStopped()


class Wait(OnDemandTest):
    def test_for_readiness_ends_when_the_server_is_ready(self):
        gate = self.gate()
        waiters = [self.spawn("wait"), self.spawn("wait", "--ready")]  # before there is anything
        starter = self.spawn("ensure", *self.booting(gate))
        wait_until(self.servers_begun, "the server boots")
        waiters.append(self.spawn("wait", "--ready"))
        self.wait_for_waiters(waiters[2:])
        self.open_gate(gate)
        for waiter in waiters:
            done = waiter.finish()
            self.assertExit(done, OK)
            self.assertEqual(done.pid, self.status()["pid"])
        self.assertExit(starter.finish(), OK)
        self.assertExit(self.genie("wait", "--ready"), OK)

    def test_for_readiness_ends_at_once_when_the_boot_fails(self):
        gate = self.gate()
        words = (*self.READY, "--", *server("--say", "begun", "--gate", gate, "--say", "too bad", "--fail", "3"))
        starter = self.spawn("ensure", *words)
        wait_until(self.servers_begun, "the server boots")
        waiter = self.spawn("wait", "--ready")
        self.wait_for_waiters([waiter])
        self.open_gate(gate)
        done = waiter.finish()
        self.assertExit(done, FAILURE)
        self.assertSays(done, "exited with status 3 before it was ready", "too bad")
        self.assertExit(starter.finish(), FAILURE)

    def test_a_failure_of_the_past_is_no_reason_to_give_up(self):
        self.assertExit(self.genie("ensure", *self.READY, "--", *server("--fail", "3")), FAILURE)
        waiter = self.spawn("wait", "--ready")
        self.wait_for_waiters([waiter])
        self.genie_ok("ensure", *self.ready())
        self.assertExit(waiter.finish(), OK)

    def test_ends_when_the_time_is_up(self):
        self.assertRefused(self.genie("wait", "--ready", "--timeout", "200ms"), "stopped", "200 ms")
        gate = self.gate()
        starter = self.spawn("ensure", *self.booting(gate))
        wait_until(self.servers_begun, "the server boots")
        self.assertRefused(self.genie("wait", "--ready", "--timeout", "200ms"), "starting")
        self.assertRefused(self.genie("wait", "--stopped", "--timeout", "200ms"), "starting")
        self.open_gate(gate)
        self.assertExit(starter.finish(), OK)
        self.assertRefused(self.genie("wait", "--stopped", "--timeout", "200ms"), "running")

    def test_for_no_time_at_all_looks_once(self):
        self.assertRefused(self.genie("wait", "--timeout", "0s"), "stopped", "0 ms")
        self.assertExit(self.genie("wait", "--stopped", "--timeout", "0"), OK)
        self.start()
        self.assertExit(self.genie("wait", "--timeout", "0ms"), OK)
        self.assertRefused(self.genie("wait", "--stopped", "--timeout", "0m"), "running")

    def test_for_the_end(self):
        self.assertExit(self.genie("wait", "--stopped"), OK)
        gate = self.gate()
        status = self.start(*self.ready("--end-gate", gate))
        waiters = [self.spawn("wait", "--stopped") for _ in range(4)]
        stop = self.spawn("stop", "--grace", "60s")
        self.wait_for_state("stopping")
        self.wait_for_waiters(waiters)
        self.assertFalse(any(waiter.has_ended for waiter in waiters))
        self.open_gate(gate)
        for waiter in waiters:
            self.assertExit(waiter.finish(), OK)
        self.assertFalse(is_alive(status["server_pid"]))
        self.assertExit(stop.finish(), OK)

    def test_for_the_end_also_where_it_crashes(self):
        status = self.start(*self.ready())
        waiter = self.spawn("wait", "--stopped")
        self.wait_for_waiters([waiter])
        kill_at_once(status["pid"], status["server_pid"])
        self.assertExit(waiter.finish(), OK)

    def test_starts_nothing_and_creates_nothing(self):
        self.assertRefused(self.genie("wait", "--timeout", "50ms"))
        self.assertFalse(self.dir.exists())


if __name__ == "__main__":
    unittest.main()
