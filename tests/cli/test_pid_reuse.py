"""A recorded PID that belongs to a stranger by now: start works, and nobody ever signals the stranger.

Runs in a PID namespace of its own, where it can choose the PIDs of new processes, as far as the machine allows that.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

from _support import DEAD, NOT_RUNNING, OK, SLEEPER, GenieTest, is_alive, kill_at_once, server, start_time, wait_until

LAST_PID = "/proc/sys/kernel/ns_last_pid"
ANOTHER_BOOT = "11111111-2222-3333-4444-555555555555"


def enter_pid_namespace():
    """Becomes process 1 of a new PID namespace. Goes on as we are where that is not possible."""
    if os.environ.get("GENIE_TEST_OWN_PIDS") or not shutil.which("unshare"):
        return
    for unshare in (["unshare"], ["unshare", "--map-root-user"]):
        unshare += ["--pid", "--fork", "--kill-child", "--mount-proc"]
        probe = subprocess.run([*unshare, "test", "-w", LAST_PID], stdin=subprocess.DEVNULL, capture_output=True)
        if probe.returncode == 0:
            os.environ["GENIE_TEST_OWN_PIDS"] = "yes"
            os.execvp("unshare", [*unshare, sys.executable, *sys.orig_argv[1:]])


def change_lock_record(path, **changes):
    """Rewrites lines of a lock file as its owner would have written them. The file stays the same one."""
    lines = path.read_text().rstrip("\n").split("\n")
    assert lines[0] == "genie-lock 1" and lines[-1].startswith("checksum "), lines
    content = "\n".join(lines[:-1]) + "\n"
    for key, value in changes.items():
        content, count = re.subn("^%s .*$" % key, "%s %s" % (key, value), content, flags=re.M)
        assert count == 1, key
    checksum = 0xCBF29CE484222325
    for byte in content.encode():
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    content += "checksum %016x\n" % checksum
    with open(path, "r+") as file:
        file.write(content.ljust(1024, "\n"))


def stamp_record(dir):
    """The lock file knows the record by inode and change time, which writing it by hand has changed."""
    record = (dir / "serve.pid").stat()
    change_lock_record(dir / "serve.lock", record="%d@%d" % (record.st_ino, record.st_ctime_ns))


class StrangerTest(GenieTest):
    """A stranger leads a session and a process group with a second process in it: killing the group would show."""

    def stranger(self):
        leader = self.begin("sh", "-c", "sleep 2000 & exec sleep 2000", start_new_session=True).pid
        wait_until(
            lambda: [os.getpgid(pid) for pid in self.strangers()].count(leader) == 2, "the stranger is complete"
        )
        return leader

    def strangers(self):
        return sorted(self.servers(["sleep", "2000"]))

    def crash(self, status):
        """Owner and server are killed and reaped; their PIDs are free."""
        report = self.leave_stale(status)
        self.wait_for_end_of(status["pid"], status["server_pid"])
        return report

    def assertStartsBesides(self, strangers, knows_record=True):
        """From the same files, each time: nothing that looks, stops or starts touches the strangers. `knows_record`:
        whether the lock file is there whose owner wrote the record."""
        kept = self.root / "kept"
        shutil.copytree(self.dir, kept)

        def restore():
            # In place: the lock file must stay the same one.
            for path in kept.iterdir():
                target = self.dir / path.name
                if target.exists():
                    target.write_bytes(path.read_bytes())
                else:
                    shutil.copy2(path, target)
            if knows_record:
                stamp_record(self.dir)

        for attempt in (["status"], ["stop"], ["start", "--", *SLEEPER], ["ensure", "--", *SLEEPER]):
            with self.subTest(attempt[0]):
                restore()
                report = self.status()
                self.assertEqual((report["state"], report["exit"]), ("stale", DEAD), report)
                self.assertIsNone(report["port"])
                self.assertExit(self.genie("port"), NOT_RUNNING)
                done = self.genie(*attempt)
                if attempt[0] in ("start", "ensure"):
                    self.assertExit(done, OK)
                    self.assertSays(done, "serve started")
                    self.assertEqual(self.status()["pid"], done.pid)
                    self.genie_ok("stop")
                self.assertEqual(self.strangers(), strangers, "untouched")
        self.assertStopped()


class Reboot(StrangerTest):
    """PIDs and start times begin anew with each boot, so a stranger can have both of a former owner."""

    def reboot(self, stranger):
        """As if owner and server of a former boot had had the stranger's PID and start time."""
        self.crash(self.start("--port", "4711", "--", *SLEEPER))
        identity = "%d:%d" % (stranger, start_time(stranger))
        self.record(identity)
        change_lock_record(self.dir / "serve.lock", owner=identity, server=identity, boot=ANOTHER_BOOT)
        stamp_record(self.dir)
        port = self.dir / "pgserve.port"
        port.write_text(re.sub("^owner .*$", "owner " + identity, port.read_text(), flags=re.M))

    def test_the_former_owners_identity_is_a_strangers_by_coincidence(self):
        stranger = self.stranger()
        self.reboot(stranger)
        self.assertStartsBesides(self.strangers())

    def test_a_stop_of_the_former_boot_does_not_block(self):
        self.reboot(self.stranger())
        strangers = self.strangers()
        identity = (self.dir / "serve.pid").read_text()
        far = 2**62
        stopper = "stopper %s %s 1 %s %d %d 30000" % (identity, ANOTHER_BOOT, identity, far, far)
        self.record("%d\n%s\n" % (far, stopper), "serve.stopping.lock")
        self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
        self.genie_ok("stop")
        self.assertEqual(self.strangers(), strangers)

    def test_an_older_programs_record_names_a_pid_with_another_start(self):
        stranger = self.stranger()
        for start in (start_time(stranger) - 1, start_time(stranger) + 1, 0, 2**63):
            self.make_dir()
            for path in self.dir.iterdir():
                path.unlink()
            shutil.rmtree(self.root / "kept", ignore_errors=True)
            self.record("%d:%d" % (stranger, start))
            self.assertSays(self.genie("status", "--explain"), stranger, start, start_time(stranger))
            self.assertStartsBesides(self.strangers(), knows_record=False)

    def test_the_state_directory_was_copied_to_where_a_stranger_has_the_pid(self):
        # A backup, or the disk image of another machine: the lock file is another one, so its record proves nothing.
        stranger = self.stranger()
        self.crash(self.start())
        identity = "%d:5" % stranger
        change_lock_record(self.dir / "serve.lock", boot=ANOTHER_BOOT, owner=identity, server=identity)
        self.record(identity)
        original, self.dir = self.dir, self.root / "copy"
        shutil.copytree(original, self.dir)
        self.dir.chmod(0o700)
        self.assertStartsBesides(self.strangers(), knows_record=False)


@unittest.skipUnless(os.environ.get("GENIE_TEST_OWN_PIDS"), "PIDs cannot be chosen: no PID namespace of our own")
class ReusedPid(StrangerTest):
    def crash(self, status):
        report = super().crash(status)
        for pid in (status["pid"], status["server_pid"]):
            self.reap(pid)
        return report

    def run_in_our_session(self, *arguments):
        """The number of a session's leader stays taken while anybody is in the session, so this owner leads none."""
        self.spawn("run", *arguments)
        return self.wait_for_state("running")

    def reap(self, pid):
        """What its own parent leaves behind is ours, and keeps its PID until we look."""
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
        wait_until(lambda: not os.path.exists("/proc/%d" % pid), "PID %d is free" % pid)

    def stranger_with(self, pid):
        """The kernel gives the next number that is free after the last one."""

        def created():
            with open(LAST_PID, "w") as last:
                last.write(str(pid - 1))
            got = self.stranger()
            if got == pid:
                return True
            os.killpg(got, signal.SIGKILL)
            self.wait_for_end_of(got)
            return False

        wait_until(created, "a stranger has PID %d" % pid)

    def test_the_owners(self):
        status = self.start("--port", "4711", "--", *SLEEPER)
        self.crash(status)
        self.stranger_with(status["pid"])
        self.assertStartsBesides(self.strangers())

    def test_the_owners_and_the_servers(self):
        status = self.start("--port", "4711", "--", *SLEEPER)
        self.crash(status)
        # In this order, because each takes a second PID as well, and the server's follows the owner's.
        self.stranger_with(status["server_pid"])
        self.stranger_with(status["pid"])
        self.assertStartsBesides(self.strangers())

    def test_the_owners_with_only_an_older_programs_record(self):
        status = self.start()
        self.crash(status)
        (self.dir / "serve.lock").unlink()
        self.stranger_with(status["pid"])
        explained = self.genie("status", "--explain")
        values = (status["pid"], start_time(status["pid"]), status["start"])
        self.assertSays(explained, "PID %d now started at %d, recorded %d" % values)
        self.assertStartsBesides(self.strangers(), knows_record=False)

    def test_the_owners_while_the_orphaned_server_still_runs(self):
        command = server("--notify", "READY=1", "--ignore", "SIGTERM")
        status = self.run_in_our_session("--ready", "notify", "--", *command)
        os.kill(status["pid"], signal.SIGKILL)
        self.reap(status["pid"])
        self.stranger_with(status["pid"])
        strangers = self.strangers()
        self.assertEqual(self.status()["state"], "orphaned")
        self.assertRefused(self.genie("ensure", "--", *command), status["server_pid"])
        self.genie_ok("stop", "--grace", "500ms")
        self.assertFalse(is_alive(status["server_pid"]))
        self.assertEqual(self.strangers(), strangers)
        self.assertStopped()

    def test_the_owners_and_the_servers_while_an_orphaned_worker_still_runs(self):
        worker = server("--say", "worker")
        status = self.run_in_our_session("--", "sh", "-c", '"$@" & wait', "sh", *worker)
        wait_until(lambda: self.servers(worker), "the worker runs")
        kill_at_once(status["pid"], status["server_pid"])
        for pid in (status["pid"], status["server_pid"]):
            self.reap(pid)
        self.stranger_with(status["server_pid"])
        self.stranger_with(status["pid"])
        strangers = self.strangers()
        self.assertEqual(self.status()["state"], "orphaned")
        self.assertRefused(self.genie("stop"), "`genie stop --orphans`")
        self.assertEqual(self.strangers(), strangers)
        self.genie_ok("stop", "--orphans")
        self.assertEqual(self.servers(worker), [])
        self.assertEqual(self.strangers(), strangers)
        self.assertStopped()


if __name__ == "__main__":
    enter_pid_namespace()
    unittest.main()
