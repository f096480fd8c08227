"""Places where a kernel or a file system does less than usual: what genie needs is there, or it says what is missing and
starts nothing. Each is made in namespaces of its own, so that nothing is left of it; where that may not be done, or the
machine lacks what it takes, the test is skipped and says why.
"""
import ctypes
import errno
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import unittest

from _support import (
    FAILURE,
    GENIE,
    NOT_RUNNING,
    OK,
    RUNNING,
    SLEEPER,
    UNKNOWN,
    GenieTest,
    machine_of_calls,
    wait_until,
)

HERE = os.path.dirname(os.path.abspath(__file__))


def may(*words):
    """Whether unshare(1) may make such namespaces here."""
    command = ["unshare", *words, "true"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


def script(*lines):
    """A shell script that ends with the first command that fails."""
    return ["sh", "-ec", "\n".join(lines)]


class ExpectingTest(GenieTest):
    def expect(self, code, *arguments):
        """Runs the command, which must end with `code`."""
        done = self.genie(*arguments)
        self.assertExit(done, code)
        return done


class PlacesTest(ExpectingTest):
    def inside(self, *lines, unshare=("--mount",)):
        """Runs a script with $GENIE and $DIR in namespaces of its own. Its end ends what it started."""
        if not may(*unshare):
            self.skipTest("no permission for unshare %s" % " ".join(unshare))
        self.environment.update(GENIE=GENIE, DIR=str(self.dir), SERVER=" ".join(SLEEPER))
        words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *unshare]
        return self.begin(*words, *script(*lines)).finish()

    def whole_life(self, *before, directory="$DIR", **options):
        """Starts, finds, refuses a second one, is killed, takes over, stops; in a place that `before` makes."""
        done = self.inside(
            'mkdir -p "$DIR"',
            *before,
            'D=%s' % directory,
            '"$GENIE" ensure --dir "$D" -- $SERVER',
            '"$GENIE" ensure --dir "$D" -- $SERVER | grep "already running"',
            '"$GENIE" status --dir "$D" --json | grep \'"assurance": *"kernel_lock"\'',
            'kill -9 $(cut -d: -f1 "$D/serve.pid")',
            'for i in $(seq 500); do "$GENIE" status --dir "$D" -q || break; sleep 0.01; done',
            '"$GENIE" ensure --dir "$D" -- $SERVER',
            '"$GENIE" status --dir "$D" -q',
            '"$GENIE" stop --dir "$D"',
            'test ! -e "$D/serve.pid"',
            'echo whole life',
            **options,
        )
        if "cannot be made here" in done.out:
            self.skipTest(done.out.strip())
        self.assertExit(done, OK)
        self.assertIn("whole life", done.out)

    def test_overlayfs_with_files_below(self):
        """The state directory of an image, copied up by the first write, as in a container."""
        self.whole_life(
            'mount -t tmpfs tmpfs "$DIR"',
            'mkdir "$DIR/below" "$DIR/above" "$DIR/work" "$DIR/all" "$DIR/below/state"',
            # As an image has it whose server was killed while it was made.
            'chmod 700 "$DIR/below/state"; printf 1:1 > "$DIR/below/state/serve.pid"; : > "$DIR/below/state/serve.lock"',
            'mount -t overlay overlay -o "lowerdir=$DIR/below,upperdir=$DIR/above,workdir=$DIR/work" "$DIR/all" ||'
            ' { echo "overlayfs cannot be made here"; exit 0; }',
            directory='"$DIR/all/state"',
        )

    def test_user_namespace(self):
        self.whole_life(unshare=("--user", "--map-root-user", "--mount"))

    def test_time_namespace(self):
        """Clocks and start times read otherwise inside."""
        self.whole_life(unshare=("--mount", "--time", "--boottime", "1000000", "--monotonic", "1000000"))

    def test_an_owner_in_another_time_namespace(self):
        if not may("--time"):
            self.skipTest("no permission for time namespaces")
        start = self.arguments("start", "--", *SLEEPER)
        self.assertExit(self.begin("unshare", "--time", "--boottime", "1000000", "--fork", *start).finish(), OK)
        status = self.expect(RUNNING, "status", "--json")
        self.assertIn('"uptime_s": 0', status.out)
        self.assertIn("already running", self.expect(OK, "ensure", "--", *SLEEPER).out)
        self.expect(OK, "stop")

    def test_hidden_proc(self):
        """`hidepid=2`: nobody sees the processes of others; one's own are seen, and the lock decides about the rest."""
        self.whole_life('mount -t proc -o remount,hidepid=2 proc /proc || { echo "hidepid cannot be made here"; exit 0; }')

    def test_full_tmpfs(self):
        done = self.inside(
            'mkdir -p "$DIR"; mount -t tmpfs -o size=64k,mode=700 tmpfs "$DIR"',
            'dd if=/dev/zero of="$DIR/filler" bs=4k count=64 2>/dev/null || true',
            'if "$GENIE" run --dir "$DIR" -- true; then exit 1; fi',
            'rm "$DIR/filler"',
            '"$GENIE" ensure --dir "$DIR" -- $SERVER',
            '"$GENIE" stop --dir "$DIR"',
        )
        self.assertExit(done, OK)
        self.assertIn("No space left on device", done.err)
        self.assertNotIn("already running", done.text)

    def test_read_only(self):
        done = self.inside(
            'mkdir -p "$DIR"; mount -t tmpfs -o mode=700 tmpfs "$DIR"; mount -o remount,ro "$DIR"',
            'if "$GENIE" run --dir "$DIR" -- true; then exit 1; fi',
            '"$GENIE" status --dir "$DIR" || echo "status $?"',
        )
        self.assertExit(done, OK)
        self.assertIn("Read-only file system", done.err)
        self.assertIn("status %d" % NOT_RUNNING, done.out)

    def fuse(self, *lacks):
        """Mounts a file system in user space that lacks something; returns a directory on it."""
        if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not may("--mount"):
            self.skipTest("FUSE cannot be used here")
        self.below, self.above = self.root / "below", self.root / "above"
        for folder in (self.below, self.above):
            folder.mkdir(mode=0o700)
        for python in (sys.executable, "/usr/bin/python3"):
            if subprocess.run([python, "-c", "try: import fusepy\nexcept ImportError: from fuse import FUSE"], capture_output=True).returncode == 0:
                break
        else:
            self.skipTest("there is no python3-fusepy here")
        self.begin(python, "-B", os.path.join(HERE, "_lacking_fuse.py"), self.below, self.above, *lacks)
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.above], capture_output=True)
        wait_until(lambda: os.path.ismount(self.above), "the file system is mounted")
        return self.above / "state"

    def test_fuse_without_locks(self):
        """Nothing but a lock keeps a second owner out: nobody owns such a directory."""
        state = self.fuse("lock")
        done = self.expect(FAILURE, "run", "--dir", state, "--", "true")
        self.assertIn("cannot lock", done.err)
        self.assertIn(os.strerror(errno.ENOLCK), done.err)
        self.assertNotEqual(self.genie("status", "--dir", state).code, RUNNING)

    def test_fuse_without_flags_of_renameat2(self):
        """A record is published whole, and never over another: where it can't be, the claim fails, and names the call."""
        state = self.fuse()
        for _ in range(2):
            done = self.expect(FAILURE, "run", "--dir", state, "--", "true")
            self.assertIn("cannot rename", done.err)
            self.assertIn(os.strerror(errno.EINVAL), done.err)
            self.assertEqual(os.listdir(state), ["serve.lock"])
        self.expect(NOT_RUNNING, "status", "--dir", state)


# --- a kernel that refuses ---------------------------------------------------------------------------------------------

# How the kernel tells what is called, by machine: its AUDIT_ARCH and numbers of system calls.
SECCOMP = {
    "x86_64": (0xC000003E, {"pidfd_open": 434, "renameat2": 316, "close_range": 436, "getrandom": 318, "fcntl": 72,
                            "openat": 257, "prctl": 157}),
    "i386": (0x40000003, {"pidfd_open": 434, "renameat2": 353, "close_range": 436, "getrandom": 355, "fcntl": 221,
                          "openat": 295, "prctl": 172}),
}
OFD_LOCKS = ("fcntl", 1, 0x20)  # F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW: 36 to 38; no other command that genie uses has it
EXCHANGE = ("renameat2", 4, 2)  # RENAME_EXCHANGE
UNNAMED_FILES = ("openat", 2, 0o20000000)  # O_TMPFILE
ADOPTION = ("prctl", 0, 0x20)  # PR_SET_CHILD_SUBREAPER: 36; no other option that genie uses has it


class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("true", ctypes.c_uint8), ("false", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("filters", ctypes.POINTER(Filter))]


def forbid(what, error):
    """From now on this process and all that it starts gets `error` from a system call: where a position and bits are
    given, only if that argument has one of the bits. Source: `seccomp(2)`; little-endian."""
    call, position, bits = what if isinstance(what, tuple) else (what, None, 0)
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    machine, numbers = SECCOMP[machine_of_calls()]
    allow = 1 if position is None else 3
    words = [(load, 0, 0, 4), (equal, 0, allow + 2, machine), (load, 0, 0, 0), (equal, 0, allow, numbers[call])]
    if position is not None:
        words += [(load, 0, 0, 16 + 8 * position), (any_bit, 0, 1, bits)]
    words += [(answer, 0, 0, 0x00050000 | error), (answer, 0, 0, 0x7FFF0000)]
    filters = (Filter * len(words))(*(Filter(*word) for word in words))
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(words), filters)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


@unittest.skipUnless(machine_of_calls() in SECCOMP, "the numbers of system calls are known for x86_64 and i386 only")
class ForbiddenCallTest(ExpectingTest):
    """An older kernel, or a seccomp profile that does not know a call."""

    def without(self, call, *arguments, error=errno.ENOSYS, expect=OK):
        """Runs the command where a call is refused."""
        done = self.genie(*arguments, preexec_fn=lambda: forbid(call, error))
        if expect is not None:
            self.assertExit(done, expect)
        return done

    def test_without_pidfds_nobody_is_signalled(self):
        for error in (errno.ENOSYS, errno.EPERM):
            with self.subTest(error=error):
                self.expect(OK, "start", "--", *SLEEPER)
                self.without("pidfd_open", "status", error=error, expect=RUNNING)
                self.assertIn("already running", self.without("pidfd_open", "ensure", "--", *SLEEPER, error=error).out)
                done = self.without("pidfd_open", "stop", error=error, expect=FAILURE)
                self.assertIn(os.strerror(error), done.err)
                self.expect(RUNNING, "status")
                self.expect(OK, "stop")

    def test_without_pidfds_no_server_is_started(self):
        done = self.without("pidfd_open", "start", "--", *SLEEPER, expect=FAILURE)
        self.assertIn(os.strerror(errno.ENOSYS), done.err)
        self.expect(NOT_RUNNING, "status", "-q")

    def test_where_orphans_cannot_be_adopted_a_server_is_started(self):
        """Before Linux 3.4, and under emulators: what a server leaves behind can't be told from a stranger then."""
        self.without(ADOPTION, "start", "--", *SLEEPER, error=errno.EINVAL)
        self.without(ADOPTION, "stop", error=errno.EINVAL)
        self.without(ADOPTION, "run", "--", "true", error=errno.EINVAL)

    def leave_a_stale_record(self):
        gone = self.begin("true")
        gone.finish()
        self.dir.mkdir(mode=0o700, exist_ok=True)
        record = self.dir / "serve.pid"
        record.write_text("%d:1" % gone.pid)
        record.chmod(0o600)  # whatever the umask
        return record

    def test_without_renameat2_a_stale_record_stays_and_says_so(self):
        """Before Linux 3.15, where there are no locks of open files either: such a kernel is none that genie works on."""
        self.assertIn(os.strerror(errno.ENOSYS), self.without("renameat2", "run", "--", "true").err)
        self.expect(OK, "run", "--", "true")
        record = self.leave_a_stale_record()
        text = record.read_text()
        done = self.without("renameat2", "run", "--", "true", expect=FAILURE)
        self.assertIn(os.strerror(errno.ENOSYS), done.err)
        self.assertNotIn("already running", done.text)
        self.assertEqual(record.read_text(), text)
        self.expect(OK, "run", "--", "true")

    def test_without_an_exchange_of_names_a_stale_record_is_taken_over(self):
        record = self.leave_a_stale_record()
        done = self.without(EXCHANGE, "run", "--", "true", error=errno.EINVAL)
        self.assertRegex(done.err, r"^genie: taking over .*: stale: PID \d+ is gone\n$")
        self.assertFalse(record.exists())

    def test_without_locks_of_open_files_nobody_owns_anything(self):
        """Before Linux 3.15. A claim that nothing would end with its owner is none."""
        done = self.without(OFD_LOCKS, "run", "--", "true", error=errno.EINVAL, expect=FAILURE)
        self.assertIn("cannot lock", done.err)
        self.assertIn(os.strerror(errno.EINVAL), done.err)
        self.assertEqual(os.listdir(self.dir), ["serve.lock"])
        self.expect(OK, "start", "--", *SLEEPER)
        status = self.without(OFD_LOCKS, "status", "--json", error=errno.EINVAL, expect=UNKNOWN)
        self.assertIn('"assurance": "none"', status.out)
        self.without(OFD_LOCKS, "stop", error=errno.EINVAL, expect=FAILURE)
        self.expect(RUNNING, "status")

    def test_where_a_try_to_restore_the_record_changes_the_directory_that_is_no_reason_for_the_next_one(self):
        without = {"preexec_fn": lambda: forbid(UNNAMED_FILES, errno.EOPNOTSUPP)}
        runner = self.spawn("run", "--", *SLEEPER, **without)
        self.wait_for_state("running")
        resource.prlimit(runner.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        (self.dir / "serve.pid").unlink()
        self.assertIn("it can't be restored", runner.process.stderr.readline())

        def tries():
            """Each writes; proc_pid_io(5)."""
            return int(re.search("^syscw: (\\d+)$", pathlib.Path("/proc/%d/io" % runner.pid).read_text(), re.M).group(1))

        before = tries()
        for _ in range(20):
            self.expect(RUNNING, "status", "-q")
        self.assertLess(tries() - before, 20, "it tries now and then only")
        self.expect(OK, "stop")

    def test_without_the_newer_conveniences_everything_works(self):
        for call in ("close_range", "getrandom", UNNAMED_FILES):
            with self.subTest(call=call):
                error = errno.EOPNOTSUPP if call == UNNAMED_FILES else errno.ENOSYS
                self.without(call, "start", "--", *SLEEPER, error=error)
                self.assertIn('"assurance": "kernel_lock"', self.without(call, "status", "--json", error=error).out)
                self.without(call, "stop", error=error)


if __name__ == "__main__":
    unittest.main()
