"""What the end-to-end tests share: a state directory of their own, the command under test, and waiting for conditions.

Every process that a test starts inherits a mark in its environment. By it a test counts the servers that live, whatever
the files say, and cleans up after itself without touching anybody else.
"""
import contextlib
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

GENIE = os.environ.get("GENIE_COMMAND", "")
if not os.access(GENIE, os.X_OK):
    sys.exit("GENIE_COMMAND must name the genie command to test, not '%s'" % GENIE)
GENIE = os.path.abspath(GENIE)

ROUNDS = max(1, int(os.environ.get("GENIE_TEST_ROUNDS", "1")))

# A wait that should be over at once fails after this many seconds; a loaded machine needs some of them.
PATIENCE = 30

OK, FAILURE, USAGE, TRY_AGAIN, NEEDS_A_PERSON = 0, 1, 64, 75, 78
RUNNING, DEAD, NOT_RUNNING, UNKNOWN = 0, 1, 3, 4  # of `genie status`, as LSB says

SLEEPER = ["sleep", "1000"]


def server(*options):
    """The command line of `_server.py`."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_server.py")
    return [sys.executable, "-I", "-S", "-B", script, *map(str, options)]


RESERVED = []


def free_port():
    """Stays ours as long as this program runs: nobody else is given it, and a server with SO_REUSEADDR may listen."""
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    RESERVED.append(probe)
    return probe.getsockname()[1]


def wait_until(condition, what, seconds=PATIENCE):
    """Returns the first true result of `condition`; fails with `what` if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s: %s" % (seconds, what() if callable(what) else what))
        time.sleep(0.005)


def processor(program):
    """For which one a program is, as elf(5) numbers them; None where it is of another format."""
    with open(program, "rb") as stream:
        header = stream.read(20)
    return int.from_bytes(header[18:20], "little" if header[5] == 1 else "big") if header[:4] == b"\x7fELF" else None


I386, X86_64, ARM, AARCH64 = 3, 62, 40, 183
OLDER = {X86_64: I386, AARCH64: ARM}  # whose programs it runs as they are

# Whether a program runs the command that is itself for the processor of this machine.
IS_EMULATED = processor(GENIE) not in (processor(sys.executable), OLDER.get(processor(sys.executable)))


def machine_of_calls():
    """By whose numbers the command calls the kernel: its own, or those of the emulator that runs it."""
    return "i386" if processor(GENIE) == I386 else os.uname().machine


# --- processes, as the kernel sees them ------------------------------------------------------------------------------


def process_stat(pid):
    """The fields of /proc/PID/stat from the third on, or None."""
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def kill_at_once(owner, *others):
    """As by a crash: of what the owner guards, the kernel may have ended some before we come to it."""
    os.kill(owner, signal.SIGKILL)
    for pid in others:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid):
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def start_time(pid):
    return int(process_stat(pid)[19])


def parent(pid):
    return int(process_stat(pid)[1])


def descriptors(pid):
    """What the open descriptors of a process refer to."""
    folder = "/proc/%d/fd" % pid
    found = {}
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            found[int(name)] = os.readlink(os.path.join(folder, name))
    return found


def watches(pid):
    """Whether it has asked the kernel to tell it of changes, and so has looked at its directory before."""
    try:
        return "anon_inode:inotify" in descriptors(pid).values()
    except OSError:
        return False


def signal_mask(pid, kind):
    """`kind`: SigBlk, SigIgn. A set of signal numbers."""
    status = pathlib.Path("/proc/%d/status" % pid).read_text(errors="replace")
    bits = int(re.search(r"^%s:\s*([0-9a-f]+)" % kind, status, re.M).group(1), 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def shell_status(code):
    """An exit status as a shell shows it: a death by signal N is 128 + N."""
    return 128 - code if code < 0 else code


# --- commands --------------------------------------------------------------------------------------------------------


class Done:
    """A command that has ended."""

    def __init__(self, arguments, code, out, err):
        self.arguments = arguments
        self.code = code
        self.out = out
        self.err = err
        self.text = out + err

    def __str__(self):
        return "%s: exit %d\n%s" % (" ".join(map(str, self.arguments)), self.code, self.text)

    @property
    def pid(self):
        """The owner that the message names."""
        found = re.search(r"\(PID (\d+)\)", self.out)
        assert found, "no PID in the message of %s" % self
        return int(found.group(1))


class Background:
    """A command that runs while the test goes on."""

    def __init__(self, arguments, **options):
        self.arguments = arguments
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.process = subprocess.Popen(arguments, text=True, errors="replace", **options)

    @property
    def pid(self):
        return self.process.pid

    @property
    def has_ended(self):
        return self.process.poll() is not None

    def send(self, number):
        self.process.send_signal(number)

    def finish(self, seconds=PATIENCE, input=None):
        """Waits for its end, and for everybody to close its output: who inherits that makes this fail."""
        try:
            out, err = self.process.communicate(input, timeout=seconds)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            raise AssertionError("still running, or its output still open, after %d s: %s" % (seconds, late)) from None
        return Done(self.arguments, self.process.returncode, out or "", err or "")


class GenieTest(unittest.TestCase):
    """Each test has its own directory `root`, in which `dir` is the state directory, not yet created."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="genie-test-"))
        self.dir = self.root / "state"
        self.mark = "GENIE_TEST_MARK=" + uuid.uuid4().hex
        self.command = GENIE
        self.identity = {}  # whom commands run as, in the words of subprocess.Popen
        self.environment = {
            name: value
            for name, value in os.environ.items()
            # What a test compiles is not to go through a cache that its user may not write to.
            if name not in ("GENIE_HOME", "NOTIFY_SOCKET", "CMAKE_CXX_COMPILER_LAUNCHER")
        }
        self.environment["HOME"] = str(self.root)
        self.environment.update([self.mark.split("=")])
        self.begun = []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        def none_left():
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not self.processes()

        wait_until(none_left, lambda: "killed processes end: %s" % self.processes())
        for background in self.begun:
            background.process.communicate()
        # A test may have taken permissions away.
        for folder, subfolders, _ in os.walk(self.root):
            for name in subfolders:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(self.root)

    def drop_privileges(self, *users):
        """From here on commands run as an unprivileged user: the first of `users` that exists, where we are root."""
        if os.geteuid() != 0:
            return
        import pwd

        for name in (*users, "nobody"):
            try:
                entry = pwd.getpwnam(name)
                break
            except KeyError:
                continue
        self.identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self.give_away(self.root)
        # The build tree may be out of that user's reach.
        self.command = shutil.copy(GENIE, self.root / "genie")
        os.chmod(self.command, 0o755)

    def give_away(self, *paths):
        """To the user as whom commands run."""
        if self.identity:
            for path in paths:
                os.chown(path, self.identity["user"], self.identity["group"])

    # --- running the command ---

    def begin(self, *arguments, **options):
        options = {"stdin": subprocess.DEVNULL, "env": self.environment, "cwd": self.root, **self.identity, **options}
        background = Background([str(argument) for argument in arguments], **options)
        self.begun.append(background)
        return background

    def arguments(self, subcommand, *arguments):
        """With our directory, unless the test names one."""
        own = arguments[: arguments.index("--")] if "--" in arguments else arguments
        place = () if "--dir" in own or not self.dir else ("--dir", self.dir)
        return (self.command, subcommand, *place, *arguments)

    def spawn(self, subcommand, *arguments, **options):
        return self.begin(*self.arguments(subcommand, *arguments), **options)

    def genie(self, subcommand, *arguments, **options):
        return self.spawn(subcommand, *arguments, **options).finish()

    def genie_ok(self, *arguments, **options):
        done = self.genie(*arguments, **options)
        self.assertExit(done, OK)
        return done

    def start(self, *arguments):
        """Starts a server, by default one that only sleeps. Returns: what `status` says of it."""
        arguments = arguments if "--" in arguments else (*arguments, "--", *SLEEPER)
        done = self.genie_ok("start", *arguments)
        status = self.status()
        self.assertEqual(status["pid"], done.pid, done)
        return status

    def at_once(self, count, subcommand, *arguments):
        """Runs `count` equal commands that begin together; `self.took` seconds passed until the last one had ended.
        Returns: their results."""
        read, write = os.pipe()
        wait_and_run = ("sh", "-c", 'read -r _; exec "$@" </dev/null', "sh", *self.arguments(subcommand, *arguments))
        runners = [self.begin(*wait_and_run, stdin=read) for _ in range(count)]
        os.close(read)
        began = time.monotonic()
        os.close(write)  # the starting shot: every read ends
        results = [runner.finish(2 * PATIENCE) for runner in runners]
        self.took = time.monotonic() - began
        return results

    def status(self, *arguments):
        """`status --json`, with its exit status as `exit`."""
        done = self.genie("status", "--json", *arguments)
        try:
            report = json.loads(done.out)
        except ValueError:
            self.fail("no JSON from %s" % done)
        report["exit"] = done.code
        return report

    def wait_for_state(self, *states):
        last = {}

        def reached():
            last.clear()
            last.update(self.status())
            return dict(last) if last["state"] in states else None

        return wait_until(reached, lambda: "%s, but %s" % (" or ".join(states), last))

    def wait_for_server(self, *states):
        """Until there is a command that is guarded: before that, the owner may be who starts it, and hands it on."""

        def is_there():
            status = self.wait_for_state(*states)
            return status if status["server_pid"] else None

        return wait_until(is_there, "a server is there")

    def leave_stale(self, status):
        """Owner and server crash at once; goes on when nothing is left of them but their files."""
        kill_at_once(status["pid"], status["server_pid"])
        return self.wait_for_state("stale")

    # --- what lives, whatever the files say ---

    def processes(self):
        """The living processes of this test; PostgreSQL overwrites its environment, but works in its directory."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid() or not is_alive(int(name)):
                continue
            try:
                environment = pathlib.Path("/proc", name, "environ").read_bytes()
                folder = os.readlink("/proc/%s/cwd" % name)
            except OSError:
                continue
            if self.mark.encode() in environment.split(b"\0") or folder.startswith(str(self.root) + "/"):
                found.append(int(name))
        return found

    def servers(self, command):
        """The living processes that are `command`."""
        found = []
        for pid in self.processes():
            try:
                line = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
            except OSError:
                continue
            if line.decode(errors="replace").split("\0")[:-1] == list(command):
                found.append(pid)
        return found

    def wait_for_waiters(self, runners):
        """Until each of these commands has seen what there is, and waits for that to change."""
        wait_until(lambda: all(watches(runner.pid) for runner in runners),
                   lambda: "the commands wait: %s" % [(runner.pid, runner.has_ended) for runner in runners])

    def wait_for_end_of(self, *pids):
        wait_until(lambda: not any(map(is_alive, pids)), "PIDs %s end" % (pids,))

    # --- files ---

    def make_dir(self):
        self.dir.mkdir(mode=0o700, exist_ok=True)
        return self.dir

    def record(self, content, name="serve.pid"):
        """Writes a file of the state directory by hand, as an older program would leave it."""
        path = self.make_dir() / name
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
        path.chmod(0o600)
        return path

    def log(self):
        """What the server has said so far."""
        path = self.dir / "serve.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def gate(self, name="gate"):
        """A FIFO at which a server waits until `open_gate`."""
        path = self.root / name
        os.mkfifo(path)
        return path

    def open_gate(self, path):
        def is_open():
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                return True
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return False

        wait_until(is_open, "somebody waits at %s" % path)

    # --- assertions ---

    def assertExit(self, done, code):
        self.assertEqual(done.code, code, done)

    def assertSays(self, done, *words):
        for word in words:
            self.assertIn(str(word), done.text, done)

    def assertRefused(self, done, *words):
        """Refused for now: EX_TEMPFAIL, and it says why."""
        self.assertExit(done, TRY_AGAIN)
        self.assertSays(done, *words)

    def assertStopped(self):
        report = self.status()
        self.assertEqual((report["state"], report["exit"]), ("stopped", NOT_RUNNING), report)
        self.assertFalse((self.dir / "serve.stopping.lock").exists(), "the sentinel is cleared")
