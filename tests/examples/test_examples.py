"""The programs in examples/ do what they say, each against the real system, as does the command with them."""
import os
import pathlib
import shlex
import shutil
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))

from _support import DEAD, OK, GenieTest, free_port, is_alive, process_stat, wait_until
import _postgres

EXAMPLES = pathlib.Path(os.environ["GENIE_EXAMPLES"])
ROOT = pathlib.Path(__file__).resolve().parents[2]


class ExampleTest(GenieTest):
    def example(self, name, *arguments, **options):
        return self.begin(EXAMPLES / name, *arguments, **options)

    def answer_of(self, port):
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            return connection.makefile().read()


class Servers(ExampleTest):
    """Each of them, alike."""

    def test_one_owns_the_directory_and_a_second_one_says_so(self):
        for name in ("minimal_daemon", "tcp_server", "prefork_server"):
            with self.subTest(name):
                first = self.example(name, self.dir)
                self.assertEqual(self.wait_for_state("running")["pid"], first.pid)
                second = self.example(name, self.dir).finish()
                self.assertExit(second, OK)
                self.assertEqual(second.out, "%s already running (PID %d)\n" % (name, first.pid))
                self.assertExit(self.example("running", self.dir).finish(), OK)
                self.genie_ok("stop")
                self.assertExit(first.finish(), OK)
                self.assertStopped()

    def test_after_kill_9_the_next_one_starts(self):
        for name in ("minimal_daemon", "tcp_server", "prefork_server"):
            with self.subTest(name):
                first = self.example(name, self.dir)
                self.wait_for_state("running")
                first.send(signal.SIGKILL)
                first.finish()
                wait_until(lambda: self.status()["exit"] == DEAD, "the workers of the killed one end")
                second = self.example(name, self.dir)
                self.assertEqual(self.wait_for_state("running")["pid"], second.pid)
                self.genie_ok("stop")
                self.assertExit(second.finish(), OK)

    def test_without_a_directory_they_say_how_they_are_used(self):
        for name in ("minimal_daemon", "running", "tcp_server", "prefork_server", "build_daemon", "build_client", "guard_postgres"):
            with self.subTest(name):
                self.assertSays(self.example(name).finish(), "usage: %s" % name)

    def test_the_port_is_where_the_server_answers(self):
        self.example("tcp_server", self.dir)
        self.wait_for_state("running")
        self.assertEqual(self.answer_of(self.genie_ok("port").out), "hello\n")


class PreFork(ExampleTest):
    def workers(self, owner):
        stats = {pid: process_stat(pid) for pid in self.processes() if pid != owner}
        return [pid for pid, stat in stats.items() if stat is not None and int(stat[1]) == owner]

    def test_a_worker_that_dies_is_replaced(self):
        owner = self.example("prefork_server", self.dir, 2)
        self.wait_for_state("running")
        first = self.workers(owner.pid)
        self.assertEqual(len(first), 2)
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: len(self.workers(owner.pid)) == 2 and first[0] not in self.workers(owner.pid), "another worker")
        answer = self.answer_of(self.genie_ok("port").out)
        self.assertIn(int(answer.split()[-1]), self.workers(owner.pid))

    def test_as_long_as_a_worker_of_a_killed_owner_lives_nobody_starts(self):
        owner = self.example("prefork_server", self.dir, 1)
        self.wait_for_state("running")
        worker = self.workers(owner.pid)[0]
        os.kill(worker, signal.SIGSTOP)
        # Else the signal of its parent's end comes first, and ends it.
        wait_until(lambda: process_stat(worker)[0] == "T", "a stopped worker")
        owner.send(signal.SIGKILL)
        self.wait_for_end_of(owner.pid)
        self.wait_for_state("orphaned")
        refused = self.example("prefork_server", self.dir).finish()
        self.assertRefused(refused, "prefork_server (PID %d)" % worker)
        os.kill(worker, signal.SIGCONT)
        self.wait_for_state("stale")


class BuildTool(ExampleTest):
    def build(self, target):
        return self.example("build_client", self.dir, target)

    def daemon(self, done):
        self.assertExit(done, OK)
        return int(done.out.split()[-1].rstrip(")"))

    def test_clients_at_once_share_the_one_daemon_that_they_start(self):
        self.make_dir()
        clients = [self.build("target%d" % number) for number in range(8)]
        daemons = {self.daemon(client.finish()) for client in clients}
        self.assertEqual(daemons, {self.status()["pid"]})

    def test_the_daemon_is_started_again_after_a_crash(self):
        self.make_dir()
        first = self.daemon(self.build("a").finish())
        os.kill(first, signal.SIGKILL)
        self.wait_for_end_of(first)
        second = self.daemon(self.build("b").finish())
        self.assertNotEqual(first, second)
        self.assertTrue(is_alive(second))

    def test_a_daemon_that_nobody_asks_ends_and_leaves_no_socket(self):
        idle = self.example("build_daemon", self.dir, 0)
        self.assertExit(idle.finish(), OK)
        self.assertFalse((self.dir / "build.sock").exists())
        self.assertStopped()

    def test_while_it_is_to_stay_stopped_a_client_is_told_so(self):
        self.genie_ok("stop", "--stay")
        self.assertRefused(self.build("a").finish(), "stop")


class GuardedPostgres(_postgres.PostgresTest):
    """`guard_postgres` does the same as the command; the tests of that one are in tests/cli/test_postgres.py."""

    def setUp(self):
        super().setUp()
        self.program = EXAMPLES / "guard_postgres"
        if self.identity:
            self.program = shutil.copy(self.program, self.root / "guard_postgres")
        self.environment["PATH"] = _postgres.BIN + os.pathsep + self.environment["PATH"]
        self.ready = "notify"
        self.postgres = ("postgres", "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1", "-k", "")

    def guard(self):
        return self.begin(self.program, self.dir, self.data, self.port)

    def test_it_is_ready_when_postgres_is_and_ends_with_it(self):
        first = self.guard()
        status = self.wait_for_state("running")
        self.assertEqual(status["pid"], first.pid)
        self.assertOneServer(status)
        second = self.guard().finish()
        self.assertExit(second, OK)
        self.assertSays(second, "already running (PID %d)" % first.pid)
        self.genie_ok("stop", "--grace", "60s")
        self.assertExit(first.finish(), OK)
        self.assertFalse((self.data / "postmaster.pid").exists(), "it was shut down properly")

    def test_killed_it_takes_postgres_along_and_the_next_one_recovers(self):
        first = self.guard()
        status = self.wait_for_state("running")
        first.send(signal.SIGKILL)
        self.wait_for_end_of(status["server_pid"])
        self.wait_for_state("stale")
        second = self.guard()
        self.assertEqual(self.wait_for_state("running")["pid"], second.pid)
        self.assertOneServer(self.status())

    def test_a_lock_file_that_names_a_stranger_by_now_does_not_block(self):
        stranger = self.begin("sleep", "1000")
        (self.data / "postmaster.pid").write_text("%d\n%s\n" % (stranger.pid, self.data))
        self.give_away(self.data / "postmaster.pid")
        self.guard()
        self.assertOneServer(self.wait_for_state("running"))
        self.assertTrue(is_alive(stranger.pid))


class Tests(ExampleTest):
    """Examples of tests."""

    def test_the_unit_test_passes(self):
        done = self.example("fakes_in_a_unit_test").finish()
        self.assertExit(done, OK)
        self.assertEqual(done.out, "all checks hold\n")

    def test_the_exploration_finds_the_mistake_and_proves_the_mended_program(self):
        done = self.example("explore_your_startup").finish(60)
        self.assertExit(done, OK)
        self.assertSays(done, "two processes load it", "all is well")


class SingleHeader(ExampleTest):
    def test_one_copied_header_and_a_compiler_are_enough(self):
        vendored = self.root / "vendor/genie"
        vendored.mkdir(parents=True)
        shutil.copy(ROOT / "single_include/genie/serve_guard.hpp", vendored)
        compiler = shlex.split(os.environ.get("CXX", "g++"))
        built = self.begin(*compiler, "-std=c++20", "-I%s" % vendored.parent, ROOT / "examples/single_header/daemon.cpp", "-o", "daemon")
        self.assertExit(built.finish(60), OK)
        first = self.begin(self.root / "daemon", self.dir, stdin=-1)
        self.assertEqual(self.wait_for_state("running")["pid"], first.pid)
        second = self.begin(self.root / "daemon", self.dir).finish()
        self.assertExit(second, OK)
        self.assertEqual(second.out, "already there: PID %d\n" % first.pid)
        self.assertExit(first.finish(input="\n"), OK)
        self.assertStopped()


if __name__ == "__main__":
    unittest.main()
