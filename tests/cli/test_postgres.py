"""genie guards a PostgreSQL that knows nothing of it: the real thing, with its own workers, signals and lock files."""
import os
import signal
import sys
import unittest

from _postgres import PostgresTest
from _support import DEAD, NOT_RUNNING, OK, ROUNDS, TRY_AGAIN, is_alive, wait_until


class Postgres(PostgresTest):
    def test_64_ensures_at_once_give_one_postmaster_and_64_equal_answers(self):
        for ready in (None, "tcp:%d" % self.port) * ROUNDS:
            before = self.log().count("starting PostgreSQL")
            self.assertExit(self.at_once(1, "ensure", *self.options(ready))[0], OK)
            one = self.took
            self.genie_ok("stop")
            answers = self.at_once(64, "ensure", *self.options(ready))
            many = self.took
            status = self.status()
            for done in answers:
                self.assertExit(done, OK)
                self.assertEqual(done.pid, status["pid"], done)
            self.assertOneServer(status)
            self.assertEqual(status["port"], self.port)
            self.assertEqual(self.log().count("starting PostgreSQL"), before + 2, "not even tried twice")
            print("PostgreSQL, --ready %s: one cold ensure %.0f ms, 64 at once %.0f ms: %.2f times" %
                  (self.ready.split(":")[0], 1000 * one, 1000 * many, many / one), file=sys.stderr)
            self.genie_ok("stop")

    def test_64_ensures_at_once_of_a_first_start_make_one_cluster(self):
        """As on a machine that has never run it: the server makes its cluster before it serves."""
        first_start = 'data=$1; shift; "$@" -D "$data" >/dev/null && cp "$0" "$data/postgresql.conf" && exec %s -D "$data"'
        took = {}
        for count in (1, 64):
            data = self.root / ("first-%d" % count)
            conf = self.data / "postgresql.conf"
            server = ("sh", "-c", first_start % self.postgres[0], conf, data, *self.initdb())
            options = self.options()
            answers = self.at_once(count, "ensure", *options[: options.index("--")], "--", *server)
            took[count] = self.took
            status = self.status()
            for done in answers:
                self.assertExit(done, OK)
                self.assertEqual(done.pid, status["pid"], done)
            self.assertEqual(int((data / "postmaster.pid").read_text().split()[0]), status["server_pid"])
            self.assertEqual(self.psql("select 40 + 2"), "42")
            self.genie_ok("stop")
        print("PostgreSQL, first start: one cold ensure %.0f ms, 64 at once %.0f ms: %.2f times" %
              (1000 * took[1], 1000 * took[64], took[64] / took[1]), file=sys.stderr)

    def test_two_stops_at_once_shut_it_down_properly_though_a_client_is_connected(self):
        self.assertExit(self.ensure(), OK)
        client = self.client(self.port, "select pg_sleep(1000)")
        active = "select count(*) from pg_stat_activity where query like '%pg_sleep(1000)%' and pid <> pg_backend_pid()"
        wait_until(lambda: self.psql(active) == "1", "a client is connected")
        for done in self.at_once(2, "stop", "--grace", "30s"):
            self.assertExit(done, OK)
        self.assertNotEqual(client.finish().code, OK)
        self.assertEqual(self.processes(), [])
        self.assertStopped()
        self.assertEqual(self.log().count("received fast shutdown request"), 1)
        self.assertIn("database system is shut down", self.log())
        self.assertFalse((self.data / "postmaster.pid").exists())
        self.assertExit(self.genie("port"), NOT_RUNNING)

    def test_a_killed_supervisor_takes_it_along_and_the_next_ensure_brings_it_back(self):
        self.assertExit(self.ensure(), OK)
        self.psql("create table kept as select 4711 as value")
        for _ in range(2 * ROUNDS):
            status = self.status()
            os.kill(status["pid"], signal.SIGKILL)
            report = self.wait_for_state("stale", "orphaned")
            if report["state"] == "orphaned":
                self.assertEqual(report["server_pid"], status["server_pid"])
            done = self.ensure_sooner_or_later()
            self.assertNotEqual(done.pid, status["pid"])
            self.assertFalse(is_alive(status["server_pid"]), "the former one has ended")
            self.assertOneServer(self.status())
            self.assertEqual(self.psql("select value from kept"), "4711")
        self.assertIn("received fast shutdown request", self.log())
        self.assertNotIn("database system was interrupted", self.log())

    def test_a_killed_postmaster_ends_its_supervisor_and_the_next_ensure_recovers(self):
        self.assertExit(self.ensure(), OK)
        self.psql("create table kept as select 4711 as value")
        for _ in range(2 * ROUNDS):
            status = self.status()
            os.kill(status["server_pid"], signal.SIGKILL)
            self.wait_for_end_of(status["pid"])
            self.ensure_sooner_or_later()
            self.assertOneServer(self.status())
            self.assertEqual(self.psql("select value from kept"), "4711")
        self.assertIn("database system was not properly shut down", self.log())

    def test_both_killed_leave_a_stale_record_that_is_taken_over(self):
        self.assertExit(self.ensure(), OK)
        status = self.status()
        # PostgreSQL's workers inherited the lock; they end when they notice, and until then they are named.
        report = self.leave_stale(status)
        self.assertEqual((report["pid"], report["exit"]), (status["pid"], DEAD))
        self.ensure_sooner_or_later()
        self.assertOneServer(self.status())

    def test_what_it_says_when_it_cannot_start_reaches_the_caller(self):
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write("no_such_setting = 1\n")
        done = self.ensure()
        self.assertNotIn(done.code, (OK, TRY_AGAIN), done)
        self.assertSays(done, "no_such_setting")
        self.assertEqual(self.processes(), [])
        self.assertStopped()


if __name__ == "__main__":
    unittest.main()
