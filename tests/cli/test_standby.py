"""`genie run --standby`: waits while somebody owns the directory, and takes over when nobody does any more."""
import signal
import time
import unittest

from _support import SLEEPER, GenieTest, kill_at_once, wait_until


class Standby(GenieTest):
    def stand_by(self, *arguments):
        """A standby that has said so. Its words go to a file, so that they can be read while it waits."""
        number = len(self.begun)
        path = self.root / ("standby-%d" % number)
        with open(path, "w") as err:
            runner = self.spawn("run", "--standby", *(arguments or ("--", *SLEEPER)), stderr=err)
        runner.said = lambda: path.read_text()
        wait_until(lambda: "standing by" in runner.said(), "it stands by")
        return runner

    def crash(self, status):
        kill_at_once(status["pid"], status["server_pid"])

    def wait_for_owner(self, *runners):
        """It has executed its command, too."""
        pids = [runner.pid for runner in runners]

        def owned():
            status = self.status()
            return status if status["pid"] in pids and status["state"] == "running" else None

        return wait_until(owned, "one of them owns it")

    def test_serves_at_once_where_nobody_does(self):
        runner = self.spawn("run", "--standby", "--", *SLEEPER)
        self.assertEqual(self.wait_for_state("running")["pid"], runner.pid)
        self.genie_ok("stop")
        self.assertNotIn("standing by", runner.finish().err)

    def test_says_whom_it_waits_for_and_takes_over_when_that_one_is_killed(self):
        owner = self.start()
        runner = self.stand_by()
        self.assertEqual(runner.said(), "genie: standing by; PID %d owns it\n" % owner["pid"])
        self.assertEqual(self.status()["pid"], owner["pid"])
        self.crash(owner)
        status = self.wait_for_owner(runner)
        self.assertEqual(status["generation"], owner["generation"] + 1)
        self.assertIn("genie: taking over", runner.said())
        self.assertEqual(self.servers(SLEEPER), [status["server_pid"]])

    def test_of_several_one_takes_over_and_the_others_go_on_standing_by(self):
        owner = self.start()
        runners = [self.stand_by() for _ in range(4)]
        while runners:
            self.crash(owner)
            owner = self.wait_for_owner(*runners)
            runners = [runner for runner in runners if runner.pid != owner["pid"]]
            for runner in runners:
                wait_until(lambda: "PID %d owns it" % owner["pid"] in runner.said(), "they learn of the new owner")
                self.assertFalse(runner.has_ended)
            self.assertEqual(self.servers(SLEEPER), [owner["server_pid"]])

    def test_a_signal_ends_it_and_the_owner_is_not_touched(self):
        owner = self.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            runner = self.stand_by()
            runner.send(number)
            self.assertEqual(runner.finish().code, -number)
        self.assertEqual(self.status()["pid"], owner["pid"])

    def test_takes_over_after_a_stop_and_not_before_it_is_done(self):
        self.start()
        runner = self.stand_by()
        self.genie_ok("stop")
        self.wait_for_owner(runner)

    def test_a_standing_sentinel_keeps_it_waiting(self):
        owner = self.start()
        runner = self.stand_by()
        self.record("%d\n" % (time.time() * 1000 + 25_000), "serve.stopping.lock")
        self.crash(owner)
        wait_until(lambda: "a stop is in progress, or stands" in runner.said(), "it notices the sentinel")
        self.wait_for_state("stale")
        self.assertEqual(self.servers(SLEEPER), [])
        (self.dir / "serve.stopping.lock").unlink()
        self.wait_for_owner(runner)

    def test_exits_as_the_command_did(self):
        owner = self.start()
        runner = self.stand_by("--", "sh", "-c", "exit 7")
        self.crash(owner)
        self.assertExit(runner.finish(), 7)

    def test_is_for_run_only(self):
        for subcommand in ("start", "ensure"):
            self.assertExit(self.genie(subcommand, "--standby", "--", *SLEEPER), 64)


if __name__ == "__main__":
    unittest.main()
