"""Containers that share a state directory: whoever is in another PID namespace is respected, named, and not signalled.

Each container is a PID namespace made by unshare(1), its `genie run` is PID 1 of it, and its end is a SIGKILL.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

from _support import (
    DEAD,
    NOT_RUNNING,
    OK,
    ROUNDS,
    RUNNING,
    SLEEPER,
    GenieTest,
    is_alive,
    process_stat,
    server,
    wait_until,
    watches,
)


def permitted():
    """The words of unshare(1) by which a container can be made here, or None."""
    if not shutil.which("unshare"):
        return None
    for more in ([], ["--map-root-user"]):
        words = ["unshare", *more, "--pid", "--fork", "--kill-child", "--mount-proc"]
        if subprocess.run([*words, "true"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
            return words
    return None


UNSHARE = permitted()


def pid_namespace(pid):
    return int(re.search(r"\d+", os.readlink("/proc/%s/ns/pid" % pid)).group())


class Container:
    """A command as PID 1 of a PID namespace of its own. `own_proc`: with a /proc of its own."""

    def __init__(self, test, *command, own_proc=True):
        words = [word for word in UNSHARE if own_proc or word != "--mount-proc"]
        self.runner = test.begin(*words, *command)
        children = pathlib.Path("/proc/%d/task/%d/children" % (self.runner.pid, self.runner.pid))

        def first():
            found = children.read_text().split() if not self.runner.has_ended else ["0"]
            return int(found[0]) if found else None

        self.init = wait_until(first, "the container has a PID 1")  # as it is numbered here

    def run(self, test, *command):
        """Runs a command in it, as `docker exec` does."""
        return test.begin("nsenter", "--all", "--target", self.init, *command).finish()

    def number_of_server(self):
        """Its only process beside PID 1, as it is numbered in it."""
        server = pathlib.Path("/proc/%d/task/%d/children" % (self.init, self.init)).read_text().strip()
        status = pathlib.Path("/proc/%s/status" % server).read_text(errors="replace")
        return int(re.search(r"^NSpid:.*\s(\d+)$", status, re.M).group(1))

    def crash(self):
        os.kill(self.init, signal.SIGKILL)
        return self.runner.finish()


@unittest.skipUnless(UNSHARE, "PID namespaces are not permitted here")
class Containers(GenieTest):
    def container(self, *arguments, own_proc=True):
        """`genie run` in a container of its own, once it is ready."""
        container = Container(self, *self.arguments("run", *arguments), own_proc=own_proc)
        self.wait_for_state("running")
        return container

    def assertRunsElsewhere(self, container, *where):
        """From here, or in another container: `where` is what to run commands in."""
        run = (lambda *words: where[0].run(self, *words)) if where else self.begin_and_finish
        status = run(*self.arguments("status"))
        self.assertExit(status, RUNNING)
        self.assertIn("serve running (in another PID namespace), as PID 1 there, for ", status.out)
        for subcommand in ("start", "ensure", "run"):
            done = run(*self.arguments(subcommand, "--", *SLEEPER))
            self.assertExit(done, OK)
            self.assertEqual(done.out, "serve already running (in another PID namespace), as PID 1 there\n")
        refused = run(*self.arguments("stop", "--grace", "0"))
        self.assertRefused(refused, "nobody was signalled", pid_namespace(container.init), "act from where it runs")
        self.assertIn("this is %d" % pid_namespace(where[0].init if where else "self"), refused.err)
        refused = run(*self.arguments("restart", "--grace", "0", "--", *SLEEPER))
        self.assertRefused(refused, "already running (in another PID namespace)", "and is not replaced")
        self.assertTrue(is_alive(container.init))

    def assertEnds(self, container, stopped):
        """A stop from within is told of its success only where process 1 takes its time to end."""
        self.assertIn(stopped.code, (OK, -signal.SIGKILL), stopped)
        container.runner.finish()
        self.assertEqual(self.status()["state"], "stopped")

    def begin_and_finish(self, *words):
        return self.begin(*words).finish()

    def test_one_is_seen_from_the_host_by_no_number_that_means_another_here(self):
        container = self.container("--port", "4711", "--", *SLEEPER)
        self.assertRunsElsewhere(container)
        status = self.status()
        self.assertEqual((status["state"], status["exit"], status["port"]), ("running", RUNNING, 4711))
        self.assertEqual((status["pid"], status["start"], status["server_pid"]), (None, None, None))
        elsewhere = status["elsewhere"]
        self.assertEqual(elsewhere["whereabouts"], "other_pid_namespace")
        self.assertEqual((elsewhere["pid"], elsewhere["server_pid"]), (1, container.number_of_server()))
        self.assertEqual(elsewhere["pid_namespace"], pid_namespace(container.init))
        self.assertEqual(elsewhere["own_pid_namespace"], pid_namespace("self"))
        self.assertEqual(self.genie_ok("port").out, "4711\n")

    def test_an_owner_of_here_is_not_elsewhere(self):
        self.assertEqual(self.start()["elsewhere"], None)

    def test_one_is_seen_from_another_one(self):
        container = self.container("--", *SLEEPER)
        beside = Container(self, *SLEEPER)
        self.assertRunsElsewhere(container, beside)

    def test_one_is_seen_from_within_another_one_in_it(self):
        container = self.container("--", *SLEEPER)
        inside = container.run(self, *UNSHARE, *self.arguments("stop"))
        self.assertRefused(inside, "nobody was signalled", pid_namespace(container.init), "lsns")

    def test_the_host_is_seen_from_one(self):
        owner = self.start()
        inside = Container(self, *SLEEPER)
        status = inside.run(self, *self.arguments("status"))
        self.assertIn("running (in another PID namespace), as PID %d there" % owner["pid"], status.out)
        self.assertRefused(inside.run(self, *self.arguments("stop")), pid_namespace("self"))
        self.assertEqual(self.status()["pid"], owner["pid"])

    def test_one_without_a_proc_of_its_own_is_respected_and_left_alone(self):
        container = self.container("--", *SLEEPER, own_proc=False)
        status = self.genie("status")
        self.assertExit(status, RUNNING)
        self.assertIn("running (perhaps in another PID namespace), as PID 1 where it runs", status.out)
        self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
        self.assertRefused(self.genie("stop"), "nobody was signalled", "genie (PID %d)" % container.init)
        self.assertTrue(is_alive(container.init))
        container.crash()
        self.start()

    def test_a_refused_stop_says_from_where_it_works(self):
        container = self.container("--", *SLEEPER)
        refused = self.genie("stop")
        self.assertRefused(refused, "genie (PID %d)" % container.init)
        words = re.search(r"\(as by (nsenter [^)]*)\)", refused.err).group(1).split()
        self.assertEqual(words, ["nsenter", "--all", "--target", str(container.init)])
        self.assertEnds(container, self.begin(*words, *self.arguments("stop")).finish())
        # Whoever stops process 1 from within ends with it, and leaves its sentinel for a second at most.
        wait_until(lambda: self.genie("ensure", "--", *SLEEPER).code == OK, "auto-start is free again")

    def test_process_1_is_stopped_from_within_though_nobody_can_kill_it(self):
        container = self.container("--ready", "notify", "--", *server("--notify", "READY=1", "--ignore", "SIGTERM"))
        self.assertEnds(container, container.run(self, *self.arguments("stop", "--grace", "100ms")))

    def test_one_that_crashes_again_and_again_always_starts_again(self):
        stranger = self.begin(*SLEEPER, env={**self.environment, "STRANGER": "yes"}, start_new_session=True)
        generation = 0
        for restart in range(50 * ROUNDS):
            with self.subTest(restart=restart):
                container = self.container("--port", "4711", "--", *SLEEPER, own_proc=restart % 3 != 0)
                status = self.status()
                self.assertEqual(status["elsewhere"]["pid"], 1)
                self.assertGreater(status["generation"], generation)
                generation = status["generation"]
                container.crash()
                for left in ("pgserve.port", "serve.pid"):
                    self.assertTrue((self.dir / left).exists(), left)
                status = self.status()
                self.assertEqual((status["state"], status["exit"], status["port"]), ("stale", DEAD, None))
                self.assertExit(self.genie("port"), NOT_RUNNING)
                if restart % 10 == 5:
                    # Once in a while it is the host that starts, or cleans up, after a crashed container.
                    generation = self.start()["generation"]
                    self.genie_ok("stop")
                if restart % 10 == 7:
                    self.assertExit(self.genie("stop"), OK)
                    self.assertStopped()
                self.assertFalse(stranger.has_ended)

    def test_process_1_and_2_of_here_are_not_taken_for_those_of_a_crashed_one(self):
        self.container("--", *SLEEPER).crash()
        (self.dir / "serve.lock").unlink()  # nothing but the record is left, and it names PID 1
        self.assertRegex((self.dir / "serve.pid").read_text(), r"^1:\d+$")
        self.assertEqual(self.status()["state"], "stale")
        self.start()

    def test_a_standby_that_is_process_1_ends_when_it_is_asked_to(self):
        owner = self.start()
        container = Container(self, *self.arguments("run", "--standby", "--", *SLEEPER))
        # Before it waits, it installs the handlers without which the kernel lets no signal through.
        wait_until(lambda: watches(container.init), "it stands by")
        os.kill(container.init, signal.SIGTERM)
        self.assertExit(container.runner.finish(), 128 + signal.SIGTERM)
        self.assertEqual(self.status()["pid"], owner["pid"])

    def test_what_its_server_leaves_behind_is_reaped_by_process_1(self):
        gate = self.gate()
        leaves = "(sh -c 'exec <&-; : >%s' &) ; exec \"$@\"" % gate
        container = self.container("--", "sh", "-c", leaves, "sh", *SLEEPER)
        with open(gate, "rb") as opened:
            opened.read()  # the orphan has ended, or is about to

        def only_the_server():
            children = pathlib.Path("/proc/%d/task/%d/children" % (container.init, container.init)).read_text()
            return [(process_stat(int(pid)) or ["gone"])[0] for pid in children.split()] == ["S"]

        wait_until(only_the_server, "process 1 has one child, and no zombie")


if __name__ == "__main__":
    unittest.main()
