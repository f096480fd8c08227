"""What docs/recipes promise of programs that bring a PID file or lock file of their own: a claim proves that file to be left over."""
import os
import unittest

from _postgres import BIN, PostgresTest
from _support import FAILURE, OK, GenieTest, is_alive, kill_at_once, wait_until

# Like many: it looks whether the process of its PID file lives, and believes any process to be itself.
OLD_SERVER = """
if [ -f server.pid ] && kill -0 "$(cat server.pid)"; then
  echo "A server is already running. Check $PWD/server.pid." >&2
  exit 1
fi
echo $$ >server.pid
exec sleep 1000
"""


class ServerPid(GenieTest):
    """A PID file that outlives its server."""

    def setUp(self):
        super().setUp()
        (self.root / "old_server").write_text(OLD_SERVER)
        self.stranger = self.begin("sleep", "1000")

    def leave_pid_file(self):
        (self.root / "server.pid").write_text("%d\n" % self.stranger.pid)

    RECIPE = ("sh", "-c", "rm -f server.pid; exec sh old_server")

    def test_of_a_stranger_by_now_blocks_the_server_that_is_not_guarded(self):
        self.leave_pid_file()
        done = self.begin("sh", "old_server").finish()
        self.assertExit(done, FAILURE)
        self.assertSays(done, "A server is already running. Check")

    def test_of_a_stranger_by_now_does_not_block_the_guarded_one(self):
        self.leave_pid_file()
        running = self.spawn("run", "--", *self.RECIPE)
        wait_until(lambda: (self.root / "server.pid").exists() and self.pid_file() == self.status()["server_pid"], "it runs")
        self.assertFalse(running.has_ended)
        self.assertTrue(is_alive(self.stranger.pid))

    def test_of_a_live_server_is_not_removed_by_a_second_start(self):
        self.spawn("run", "--", *self.RECIPE)
        wait_until(lambda: self.pid_file() is not None, "the first one runs")
        first = self.pid_file()
        for second in self.at_once(8, "run", "--", *self.RECIPE):
            self.assertExit(second, OK)
            self.assertSays(second, "already running")
        self.assertEqual(self.pid_file(), first)

    def test_of_a_killed_server_does_not_block_the_next_one(self):
        first = self.spawn("run", "--", *self.RECIPE)
        wait_until(lambda: self.pid_file() is not None, "the first one runs")
        killed = self.pid_file()
        kill_at_once(first.pid, killed)
        self.wait_for_end_of(killed)
        first.finish()
        self.leave_pid_file()  # its number is a stranger's soon
        self.spawn("run", "--", *self.RECIPE)
        wait_until(lambda: self.pid_file() not in (None, killed, self.stranger.pid), "the next one runs")

    def pid_file(self):
        try:
            text = (self.root / "server.pid").read_text()
        except FileNotFoundError:
            return None
        return int(text) if text.strip() else None


class PostmasterPid(PostgresTest):
    """The lock file of a PostgreSQL that crashed, whose number is another process's by now."""

    def setUp(self):
        super().setUp()
        self.stranger = self.begin("sleep", "1000")  # of the same user, or PostgreSQL would know better
        (self.data / "postmaster.pid").write_text("%d\n%s\n" % (self.stranger.pid, self.data))
        self.give_away(self.data / "postmaster.pid")

    def recipe(self):
        command = 'export PG_GRANDPARENT_PID=$(head -n 1 "$1/postmaster.pid" 2>/dev/null); exec "$0" -D "$1"'
        return "--ready", "notify", "--ready-timeout", "60s", "--port", self.port, "--stop-signal", "INT", "--", \
            "sh", "-c", command, os.path.join(BIN, "postgres"), self.data

    def test_blocks_the_server_that_is_not_guarded(self):
        done = self.begin(*self.postgres).finish()
        self.assertExit(done, FAILURE)
        self.assertSays(done, 'lock file "postmaster.pid" already exists')

    def test_does_not_block_the_guarded_one(self):
        if not self.knows_systemd:
            self.skipTest("this PostgreSQL does not notify")
        self.ready = "notify"
        self.genie_ok("ensure", *self.recipe())
        self.assertOneServer(self.status())
        self.assertTrue(is_alive(self.stranger.pid))
        again = self.genie_ok("ensure", *self.recipe())
        self.assertSays(again, "already running")


if __name__ == "__main__":
    unittest.main()
