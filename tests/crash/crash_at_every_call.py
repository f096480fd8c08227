#!/usr/bin/env python3
"""Real crash at every system call.

Runs each entry point of the library and each subcommand of the command, from several states of the directory, once for
each (system call, occurrence, fault): the process is killed before that call, or the call fails with an errno. After
each run a new process must get the directory, or be told of exactly the owner that lives; nobody else was killed; no
temporary file is left; an error names what failed; EINTR changes nothing.

  crash_at_every_call.py --entry-point PROGRAM [--genie COMMAND] [--runs 5000 | --quick | --all] [--only CASE] [--prove]

The programs may also be named by GENIE_CRASH_ENTRY_POINT and GENIE_COMMAND. A case is
COMMAND/STATE/SYSCALL#OCCURRENCE/FAULT, as the failures name it. Exits with 77 where processes can't be traced.
"""
import argparse
import collections
import ctypes
import errno
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

# A fresh start must work within this many seconds, whatever happened before.
RECOVERY = 3
# A run that has not ended by then hangs.
PATIENCE = 20

MARK = "sched_yield"  # of the entry point: the calls under test lie between two of them
PORT = 4711

# --- what is run -----------------------------------------------------------------------------------------------------

LIVE = "live"
LEADER = "leader"  # as LIVE, by the leader of a process group: of interest to those who stop it
STATES = ["absent", "stale", "reused_pid", "sentinel", "empty", "midway", LIVE]

CLAIMS = ["claim", "claim_durable", "claim_automatic"]
OWNERS_CALLS = ["ready", "publish_port", "publish_port_again", "publish_endpoints", "set_server", "restore_record",
                "verify"]
RELEASES = ["release", "release_with_port", "release_with_endpoints"]
# Each starts a server, which lives on, or which dies before it is ready.
ENSURES = ["ensure", "ensure_failing"]
LIBRARY = [*CLAIMS, "claim_and_release", *RELEASES, *OWNERS_CALLS, *ENSURES, "running", "status", "port", "endpoint",
           "stop"]

# SERVE ends at once, SERVER stays. The commands whose names end in + are traced with all their children: a fault then
# strikes every process that makes the call that often.
COMMANDS = {
    "genie-run": ["run", "--", "SERVE"],
    "genie-run+": ["run", "--", "SERVE"],
    "genie-start": ["start", "--port", str(PORT), "--", "SERVER"],
    "genie-start+": ["start", "--port", str(PORT), "--", "SERVER"],
    "genie-ensure": ["ensure", "--", "SERVER"],
    "genie-ensure+": ["ensure", "--", "SERVER"],
    "genie-restart": ["restart", "--grace", "500ms", "--", "SERVER"],
    "genie-restart+": ["restart", "--grace", "500ms", "--", "SERVER"],
    "genie-wait": ["wait", "--ready", "--timeout", "50ms"],
    "genie-stop": ["stop", "--grace", "500ms"],
    "genie-status": ["status", "--json"],
    "genie-port": ["port"],
}
# Each of them starts processes, which may still be on their way out when it has ended.
LAUNCHERS = (*ENSURES, *(command for command, words in COMMANDS.items() if "--" in words))
# Of these, one of the processes is a server, which is to outlive whoever started it.
STARTERS = tuple(command for command in LAUNCHERS if not command.startswith("genie-run"))
# These outlast an empty record for seconds, as their defaults say: only --all waits for them.
SLOW = {(command, "empty") for command in (*COMMANDS, *ENSURES) if command not in ("genie-status", "genie-port")}
# These end the live owner.
ENDERS = ("stop", "genie-stop", "genie-restart", "genie-restart+")

# How many calls in /proc that differ only in their numbers are tried.
ALIKE = 8

ENDING = {"exit", "exit_group", "rt_sigreturn", "execve"}
MEMORY = {"mmap", "munmap", "brk", "mprotect", "mremap", "madvise", "arch_prctl", "set_tid_address", "rseq", "futex"}

# Which errno makes sense for which call. `close` is missing: a close that fails has closed all the same, which can't be
# injected.
ERRNOS = {
    "openat": ["EINTR", "EIO", "EACCES", "EMFILE"],
    "open": ["EINTR", "EIO", "EACCES", "EMFILE"],
    "read": ["EINTR", "EIO"],
    "pread64": ["EINTR", "EIO"],
    "write": ["EINTR", "EIO", "ENOSPC"],
    "pwrite64": ["EINTR", "EIO", "ENOSPC"],
    "fcntl": ["EINTR", "EIO", "ENOLCK"],
    "newfstatat": ["EINTR", "EIO", "EACCES"],
    "fstat": ["EIO"],
    "stat": ["EINTR", "EIO", "EACCES"],
    "linkat": ["EINTR", "EIO", "ENOSPC", "EACCES"],
    "renameat2": ["EINTR", "EIO", "ENOSPC", "EACCES"],
    "unlinkat": ["EINTR", "EIO", "EACCES"],
    "mkdir": ["EINTR", "EIO", "ENOSPC", "EACCES"],
    "getdents64": ["EINTR", "EIO"],
    "readlink": ["EIO", "EACCES"],
    "fdatasync": ["EINTR", "EIO", "ENOSPC"],
    "poll": ["EINTR"],
    "clock_nanosleep": ["EINTR"],
    "inotify_init1": ["EMFILE"],
    "inotify_add_watch": ["ENOSPC", "EACCES"],
    "pidfd_open": ["EMFILE"],
    "pidfd_send_signal": ["EPERM"],
    "kill": ["EPERM"],
    "pipe2": ["EMFILE"],
    "signalfd4": ["EMFILE"],
    "wait4": ["EINTR"],
    "dup2": ["EMFILE"],
    "dup3": ["EMFILE"],
    "setsid": ["EPERM"],
    "clone": ["EAGAIN"],
    "socketpair": ["EMFILE"],
    "waitid": ["EINTR"],
}

Case = collections.namedtuple("Case", "command state call occurrence fault where")


def name_of(case):
    return "%s/%s/%s#%d/%s" % case[:5]


def faults_of(call, arguments, where):
    """What can happen at this call."""
    if call in ENDING or call in MEMORY:
        return []
    faults = ["SIGKILL"]
    for fault in ERRNOS.get(call, []):
        # A few bytes to or from a pipe or the kernel's own files: nothing fails, and only reading waits.
        if where == "kernel" and (fault != "EINTR" or call == "write"):
            continue
        # /proc is never interrupted in these calls, and neither is a look at an open descriptor.
        if fault == "EINTR" and call != "read" and (where == "proc" or '""' in arguments):
            continue
        if call == "fcntl" and not re.search(r"F_OFD_|F_DUPFD", arguments):
            continue
        if call == "fcntl" and "F_DUPFD" in arguments:
            fault = "EMFILE"
        if fault == "EINTR" and where in ("standard", "log"):
            continue  # the command has no signal handler, so only waits can be interrupted
        faults.append(fault)
    if call == "openat" and re.search(r"O_CREAT|O_TMPFILE", arguments):
        faults.append("ENOSPC")
    return list(dict.fromkeys(faults))


# --- processes -------------------------------------------------------------------------------------------------------


def fields_of(line):
    """`result=claimed owner=12` as a dictionary."""
    return dict(part.split("=", 1) for part in line.split() if "=" in part)


def read_line(descriptor, seconds):
    """A line without its line feed, or what came before the end; None if nothing came in time."""
    deadline = time.monotonic() + seconds
    text = b""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while not text.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return None
        part = os.read(descriptor, 4096)
        if not part:
            break
        text += part
    return text.decode(errors="replace").rstrip("\n")


def stat_of(pid):
    """The fields of /proc/PID/stat from the third on, or None."""
    try:
        text = pathlib.Path("/proc/%d/stat" % pid).read_text(errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def is_alive(pid):
    """Whether it can still run: the kernel drops the locks of an ending process before that is a zombie."""
    pf_exiting = 0x4
    stat = stat_of(pid)
    return stat is not None and stat[0] not in "ZX" and not int(stat[6]) & pf_exiting


def command_line(pid):
    try:
        return pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def children_of(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            text = pathlib.Path("/proc/%d/task/%s/children" % (pid, task)).read_text()
            found += [int(word) for word in text.split()]
    except OSError:
        pass
    return found


class Failed(Exception):
    """A run that did not end as it must."""


def require(condition, what, *values):
    if not condition:
        raise Failed(what % values if values else what)


class Worker:
    """Makes one run after the other. Inherits what they leave behind, so that no process escapes its notice."""

    def __init__(self, options):
        self.options = options
        pr_set_child_subreaper = 36
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=options.root))
        self.trace = self.root / "trace"
        self.dir = self.root / "state"
        self.note = self.root / "note"
        self.output = self.root / "output"
        self.baselines = {}
        self.environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.root), "LC_ALL": "C"}
        # A stranger that every run must leave alone, group and all. It ends with us.
        self.stranger = self.spawn(["cat"], stdin=subprocess.PIPE, start_new_session=True)
        self.owner = None

    def spawn(self, arguments, **streams):
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
        return subprocess.Popen([str(word) for word in arguments], bufsize=0, env=self.environment, cwd=self.root,
                                **settings)

    def talk(self, *arguments):
        """An entry point that says a line and stays until we close its stdin."""
        return self.spawn([self.options.entry_point, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def do(self, *arguments, expected):
        process = self.spawn([self.options.entry_point, *arguments])
        require(process.wait(PATIENCE) == expected, "cannot prepare: %s", " ".join(map(str, arguments)))

    @staticmethod
    def end(process, seconds=PATIENCE):
        """Closes its stdin, and waits. Returns: its exit status."""
        if process.stdin:
            process.stdin.close()
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed("a process does not end: %s" % process.args) from None
        finally:
            if process.stdout:
                process.stdout.close()

    # --- states ---

    def prepare(self, state):
        shutil.rmtree(self.dir, ignore_errors=True)
        for path in (self.note, self.output):
            path.unlink(missing_ok=True)
        if state in ("stale", "sentinel", "midway"):
            self.do("crash", self.dir, expected=-signal.SIGKILL)
        if state == "sentinel":
            self.do("crash_stopping", self.dir, expected=-signal.SIGKILL)
        elif state == "midway":
            self.do("crash_midway", self.dir, expected=-signal.SIGKILL)
        elif state == "reused_pid":
            self.do("reused_pid", self.dir, str(self.stranger.pid), expected=0)
        elif state == "empty":
            self.dir.mkdir(mode=0o700)
            (self.dir / "serve.pid").touch(mode=0o600)
        elif state in (LIVE, LEADER):
            self.owner = self.spawn([self.options.entry_point, "own", self.dir], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, start_new_session=state == LEADER)
            line = read_line(self.owner.stdout.fileno(), PATIENCE)
            require(line and "claimed" in line, "cannot prepare a live owner: %s", line)

    # --- what a run leaves ---

    def processes(self):
        """What the run has left: our descendants but for those that we know, and but for the tracer."""
        known = {process.pid for process in (self.stranger, self.owner) if process is not None}
        found = []
        open_ones = children_of(os.getpid())
        while open_ones:
            pid = open_ones.pop()
            if pid in known:
                continue
            if is_alive(pid) and not self.is_tracer(pid):
                found.append(pid)
            open_ones += children_of(pid)
        return found

    @staticmethod
    def is_ours(pid):
        """Whether we are its ancestor."""
        while pid > 1 and pid != os.getpid():
            stat = stat_of(pid)
            if stat is None:
                return True  # it has ended meanwhile
            pid = int(stat[1])
        return pid == os.getpid()

    @staticmethod
    def is_tracer(pid):
        words = command_line(pid)
        return bool(words) and os.path.basename(words[0]) == "strace"

    def clear(self):
        """Kills and reaps everybody but the stranger."""
        if self.owner is not None:
            self.owner.kill()
            self.end(self.owner)
        self.owner = None
        deadline = time.monotonic() + PATIENCE
        while True:
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.reap()
            left = [pid for pid in children_of(os.getpid()) if pid != self.stranger.pid]
            if not left:
                return
            require(time.monotonic() < deadline, "processes do not end: %s", left)
            time.sleep(0.0005)

    def reap(self):
        """Takes in the orphans that have ended; the processes that we started ourselves have their own wait."""
        known = {process.pid for process in (self.stranger, self.owner) if process is not None}
        for pid in children_of(os.getpid()):
            if pid not in known:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def fresh_start(self, inspect):
        """What a new claim is told, as fields; `inspect(fields)` runs while it holds what it got."""
        process = self.talk("check", self.dir)
        line = read_line(process.stdout.fileno(), PATIENCE)
        try:
            require(line, "a fresh start says nothing within %d s", PATIENCE)
            fields = fields_of(line)
            fields["line"] = line
            inspect(fields)
        except Failed:
            process.kill()
            self.end(process)
            raise
        status = self.end(process)
        if fields["result"] == "claimed":
            require(status == 0, "the fresh owner could not release")
            left = sorted(set(os.listdir(self.dir)) & {"serve.pid", "serve.endpoints", "pgserve.port"})
            require(not left, "after the fresh owner's release there is %s", left)
        return fields

    def require_fresh_start(self, owner=None, leaving=False, survivor=False):
        """Requires that a new process gets the directory, or where `owner` is given, is told of exactly it.
        `leaving`: others of the run may still be on their way out. `survivor`: one server that the run has started may
        own the directory; when that is killed, the directory is free."""
        deadline = time.monotonic() + RECOVERY

        def inspect(fields):
            if fields["result"] != "claimed":
                return
            left = [name for name in os.listdir(self.dir) if name.endswith(".tmp")]
            require(not left, "left over after a fresh claim: %s", left)
            require(owner is None or not is_alive(int(owner)), "a fresh start claims while PID %s owns the directory",
                    owner)
            servers = [pid for pid in self.processes() if command_line(pid)[1:2] in (["serve"], ["serve_adopted"])]
            require(not servers, "a fresh start claims while the server %s lives", servers)

        while True:
            fields = self.fresh_start(inspect)
            if fields["result"] == "claimed":
                return  # and nobody else owns it, see above
            if owner is not None and fields["result"] == "already_running" and fields["owner"] == str(owner):
                return
            wanted = "already_running owner=%s" % owner if owner else "claimed"
            if fields["result"] == "already_running" and is_alive(int(fields["owner"])):
                pid = int(fields["owner"])
                require(survivor, "a fresh start is told '%s' instead of %s", fields["line"], wanted)
                require(self.is_ours(pid), "told of an owner that is a stranger: %s", fields["line"])
                survivor = False
                os.kill(pid, signal.SIGKILL)
                # How soon it ends is up to the kernel and the tracer; what is genie's begins then.
                ended_by = time.monotonic() + PATIENCE
                while is_alive(pid):
                    require(time.monotonic() < ended_by, "a killed server does not end, PID %d", pid)
                    self.reap()
                    time.sleep(0.0005)
                deadline = time.monotonic() + RECOVERY
            late = not leaving or time.monotonic() > deadline
            require(not late, "a fresh start is told '%s' instead of %s", fields["line"], wanted)
            self.reap()
            time.sleep(0.002)

    def require_bystanders(self, case):
        require(self.stranger.poll() is None, "the stranger was killed")
        if self.owner is not None and case.command not in ENDERS:
            require(self.owner.poll() is None, "the live owner was killed")

    # --- runs ---

    def strace(self, case, follow, detached):
        arguments = ["strace", "-q", "-y", "-o", self.trace]
        if detached:
            arguments.append("-DD")
        if follow:
            arguments.append("-f")
        if case.fault is None:
            return arguments
        how = "signal=SIGKILL" if case.fault == "SIGKILL" else "error=" + case.fault
        arguments += ["-e", "trace=" + case.call, "-e", "signal=none"]
        return [*arguments, "-e", "inject=%s:%s:when=%d" % (case.call, how, case.occurrence)]

    def was_hit(self, case):
        text = self.trace.read_text(errors="replace")
        return "(INJECTED)" in text or (case.fault == "SIGKILL" and "= ?" in text)

    def run(self, case):
        """Returns: (what the run said, whether the fault struck). Raises `Failed`."""
        try:
            self.trace.unlink(missing_ok=True)
            self.prepare(case.state)
            runs = self.run_library if case.command in LIBRARY or case.command == "original" else self.run_command
            said = runs(case)
            hit = case.fault is None or self.was_hit(case)
            self.clear()
            return said, hit
        except Failed:
            self.clear()
            raise

    def run_library(self, case):
        process = self.spawn(
            [*self.strace(case, follow=False, detached=False), self.options.entry_point, case.command, self.dir],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        owner = self.owner.pid if self.owner else None
        try:
            line = read_line(process.stdout.fileno(), PATIENCE)
            require(line is not None, "no answer within %d s", PATIENCE)
            fields = fields_of(line)
            if "path" in fields:
                fields["path"] = fields["path"].replace(str(self.root), "ROOT")
            if fields:
                self.judge_library(case, fields)
                if case.command not in ENSURES:
                    self.require_fresh_start(self.holder_of(case, fields))
                elif fields["result"] == "running":
                    self.require_owner(int(fields["owner"]))
        finally:
            status = self.end(process)
        if not fields:
            require(case.fault == "SIGKILL" and status == -signal.SIGKILL, "it died by itself, exit status %s", status)
        self.require_bystanders(case)
        alive = owner is not None and is_alive(owner)
        self.require_fresh_start(owner if alive else None, leaving=case.command in LAUNCHERS and not alive,
                                 survivor=case.command in STARTERS and fields.get("result", "running") == "running")
        if fields.get("owner") and fields["owner"] != "0":
            fields["owner"] = "owner" if fields["owner"] == str(owner) else "another"
        return fields

    def require_server(self, case, text):
        """Whoever is told that there is a server has one, and where it was to be restarted, another one."""
        fields = self.fresh_start(lambda fields: None)
        require(fields["result"] == "already_running" and is_alive(int(fields["owner"])),
                "a fresh start is told '%s' although there is a server: %s", fields["line"], text.strip())
        is_old = self.owner is not None and fields["owner"] == str(self.owner.pid)
        is_kept = self.owner is not None and case.command != "genie-restart"
        require(is_old == is_kept, "a fresh start is told '%s', and the server before was %s: %s", fields["line"],
                self.owner and self.owner.pid, text.strip())

    def require_owner(self, pid):
        """Whoever `ensure` has named lives, and a fresh start is told of exactly it."""
        require(is_alive(pid), "told of a server that does not live, PID %d", pid)
        fields = self.fresh_start(lambda fields: None)
        require(fields["result"] == "already_running" and fields["owner"] == str(pid),
                "a fresh start is told '%s' instead of the server, PID %d", fields["line"], pid)

    def holder_of(self, case, fields):
        """Who must own the directory while the process that gave this answer lives on."""
        if self.owner is not None:
            return self.owner.pid if is_alive(self.owner.pid) else None
        if case.command in OWNERS_CALLS:
            return next(iter(self.tracees()), None)
        return fields["owner"] if case.command in CLAIMS and fields["result"] == "claimed" else None

    def tracees(self):
        return [pid for pid in self.processes() if command_line(pid)[:1] == [str(self.options.entry_point)]]

    def judge_library(self, case, fields):
        baseline = self.baselines.get((case.command, case.state))
        if baseline is None:
            return
        seen = dict(fields)
        if seen.get("owner", "0") != "0":
            seen["owner"] = "owner" if self.owner and seen["owner"] == str(self.owner.pid) else "another"
        if seen == baseline:
            return
        told = "%s, without the fault %s" % (show(seen), show(baseline))
        require(case.fault not in ("EINTR", "SIGKILL"), "%s has changed the outcome: %s", case.fault, told)
        number = str(getattr(errno, case.fault))
        result = seen["result"]
        if result == "error":
            kind_system = seen["kind"] == "0"
            require(not kind_system or seen["errno"] == number, "the error names another errno: %s", told)
            require(not kind_system or seen["operation"] != "0", "the error names no operation: %s", told)
            is_ours = seen["path"].startswith("ROOT/state")
            # What could not be launched is named by its program.
            is_launch = case.command in ENSURES and seen["operation"] == "launch"
            is_ours = seen["path"] == "/proc/self/exe" if is_launch else is_ours
            require(is_ours, "the error names another path: %s", told)
            open_ones = baseline["descriptors"] if case.command in RELEASES else "0"
            require(seen["descriptors"] == open_ones, "descriptors are left open: %s", told)
            return
        if result == baseline["result"] and case.command == "stop":
            noted = {seen["sentinel_errno"], seen["clean_up_errno"]} - {"0"}
            require(noted == {number}, "the receipt names another errno: %s", told)
            return
        # Not knowing is no evidence: these claim nothing, and deny nobody.
        # Only /proc leaves that open: where the state directory can't be read, that is an error.
        unsure = {"status": "unknown", "stop": "refused", "endpoint": "unknown"}.get(case.command)
        if case.command.startswith("claim"):
            unsure = "contended"
        require(result == unsure and case.where == "proc", "%s at %s has led to a wrong outcome: %s", case.fault,
                case.where, told)

    def run_command(self, case):
        serve = [self.options.entry_point, "serve", self.note]
        words = COMMANDS[case.command]
        at = words.index("--") if "--" in words else len(words)
        arguments = [*words[:at], "--dir", self.dir]
        if at < len(words):
            arguments += ["--", *serve, *(["brief"] if words[-1] == "SERVE" else [])]
        owner = self.owner.pid if self.owner else None
        with open(self.output, "wb") as output:
            process = self.spawn(
                [*self.strace(case, follow=case.command.endswith("+"), detached=True), self.options.genie, *arguments],
                stdout=output, stderr=subprocess.STDOUT)
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed("still running after %d s" % PATIENCE) from None
        text = self.output.read_text(errors="replace")
        note = self.note.read_text().splitlines() if self.note.exists() else []
        for line in note:
            given = [path for path in line.split()[1:] if path != str(self.dir / "serve.lock")]
            require(not given, "the guarded command was given %s", given)
        self.judge_command(case, status, text, owner)
        self.require_bystanders(case)
        if status == 0 and case.command in STARTERS and not case.command.endswith("+"):
            self.require_server(case, text)
        alive = owner is not None and is_alive(owner)
        # Whoever says that it has started nothing has left nothing.
        has_failed = status > 0
        self.require_fresh_start(owner if alive else None, leaving=case.command in LAUNCHERS and not alive,
                                 survivor=case.command in STARTERS and not has_failed)
        return {"status": str(status), "text": self.normal(text)}

    def normal(self, text):
        """Without what differs from run to run."""
        text = re.sub(r'"uptime_s": [0-9.]+', '"uptime_s": T', text.replace(str(self.root), "ROOT"))
        text = re.sub(r"expires in \d+ ms|for \d+ s|within \d+ ms|after \d+ ms|\d+(\.\d+)? m?s\b", "T", text)
        text = re.sub(r'"remaining_ms": \d+', '"remaining_ms": T', text)
        return re.sub(r"\d{3,}", "N", text)

    def judge_command(self, case, status, text, owner):
        if "already running" in text:
            named = [int(word) for word in re.findall(r"PID (\d+)", text)]
            require(named and (named[0] == owner or is_alive(named[0])), "'already running', but nobody is: %s", text)
        baseline = self.baselines.get((case.command, case.state))
        if baseline is None:
            return
        seen = {"status": str(status), "text": self.normal(text)}
        if seen == baseline:
            return
        told = "exit %s: %s" % (status, text.strip())
        if case.fault == "SIGKILL":
            # With + the killed one may be a child, and whoever is left says so.
            require(status == -signal.SIGKILL or case.command.endswith("+"), "it ended otherwise: %s", told)
            return
        require(case.fault != "EINTR", "EINTR has changed the outcome: %s\nwithout it exit %s: %s", told,
                baseline["status"], baseline["text"])
        number = getattr(errno, case.fault)
        is_named = os.strerror(number) in text or "errno %d" % number in text
        # `run` ends as the command did, which it has asked to end.
        asked = case.command.startswith("genie-run") and status == -signal.SIGTERM and is_named
        require(status >= 0 or asked, "it died: %s", told)
        if asked:
            return
        if case.command == "genie-status":
            require(status == 4 or self.same_verdict(text, baseline["text"]), "a wrong verdict: %s", told)
            return
        if status == int(baseline["status"]):
            # Right anyway; the words may tell of what failed. What was asked for must not get lost.
            require(case.command != "genie-port" or status != 0 or seen == baseline, "a wrong answer: %s", told)
            return
        require(status in (1, 75), "an unexpected exit status: %s", told)
        # A call of the forked child that fails is its own affair, as long as the caller hears of a failure.
        require(is_named or case.where == "proc" or status == 75 or case.command.endswith("+"),
                "the message does not name %s: %s", case.fault, told)

    @staticmethod
    def same_verdict(text, other):
        try:
            return json.loads(text)["state"] == json.loads(re.sub(r"\b[NT]\b", "0", other))["state"]
        except (ValueError, KeyError):
            return False

    # --- learning what there is ---

    def learn(self, command, state):
        """Runs without a fault. Returns: the outcome, and each call after the start-up, with what can happen at it."""
        case = Case(command, state, None, 0, None, None)
        said, _ = self.run(case)
        calls = [("", line) for line in self.trace.read_text(errors="replace").splitlines()]
        if command.endswith("+"):
            calls = [tuple(line.split(None, 1)) for _, line in calls]
        begun = set()
        ended = set()
        first = calls[0][0] if calls else ""
        counts = collections.Counter()
        start_up = set()
        points = {}
        alike = collections.Counter()
        is_library = command in LIBRARY or command == "original"
        for pid, line in calls:
            found = re.match(r"([a-z0-9_]+)\((.*)", line)
            if not found or pid in ended:
                continue
            call, arguments = found.groups()
            if is_library and call == MARK:
                if pid in begun:
                    ended.add(pid)
                begun.add(pid)
                continue
            if not is_library and (pid != first or '"/dev/null", O_RDWR|O_NOCTTY' in arguments):
                begun.add(pid)
            counts[pid, call] += 1
            place = (call, counts[pid, call])
            if call == "execve" and counts[pid, call] > (1 if pid == first else 0):
                ended.add(pid)  # the guarded command's own calls
            elif pid not in begun:
                start_up.add(place)
            elif where(arguments) == "proc" and alike[call, re.sub(r"\d+", "N", arguments)] >= ALIKE:
                continue  # a walk through /proc; how long it is depends on who else runs on the machine
            else:
                alike[call, re.sub(r"\d+", "N", arguments)] += 1
                points.setdefault(place, []).append((arguments, where(arguments)))
        cases = []
        for (call, number), seen in points.items():
            if (call, number) in start_up:
                continue  # with several processes, a place may lie in the start-up of the first
            faults = [faults_of(call, arguments, place) for arguments, place in seen]
            cases += [Case(command, state, call, number, fault, seen[0][1])
                      for fault in faults[0] if all(fault in others for others in faults)]
        return said, cases


def where(arguments):
    """What a call is about."""
    if '"/proc' in arguments or "</proc" in arguments:
        return "proc"
    if re.match(r"[012]<", arguments):
        return "standard"
    if re.match(r"\d+<(pipe|anon_inode):", arguments):
        return "kernel"
    if re.search(r'\.log"|^"[^"]*/state", 0700', arguments):
        return "log"
    return "state" if "/state" in arguments else "elsewhere"


def show(fields):
    return " ".join("%s=%s" % pair for pair in fields.items())


# --- many runs -------------------------------------------------------------------------------------------------------

worker = None


def begin(options, baselines):
    global worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(options)
    worker.baselines = baselines


def learn(group):
    """Returns: (group, baseline, cases, problem)."""
    try:
        said, cases = worker.learn(*group)
        return group, said, cases, None
    except Failed as failure:
        return group, None, [], str(failure)
    except Exception:
        return group, None, [], traceback.format_exc()


def attempt(case):
    """Returns: (case, whether the fault struck, problem or None, seconds)."""
    began = time.monotonic()
    try:
        _, hit = worker.run(case)
        return case, hit, None, time.monotonic() - began
    except Failed as failure:
        return case, True, str(failure), time.monotonic() - began
    except Exception:
        return case, True, traceback.format_exc(), time.monotonic() - began


def spread(cases, runs):
    """At most about `runs` of `cases`, always the same ones: of each group its share, of each call in a group one fault
    before any call gets its second."""
    if runs is None or runs >= len(cases):
        return cases
    groups = collections.defaultdict(list)
    for case in cases:
        groups[case.command, case.state].append(case)
    chosen = []
    taken = 0.0
    for group in groups.values():
        def number(case):
            return hashlib.sha256(name_of(case).encode()).digest()

        rank = {}
        seen = collections.Counter()
        for case in sorted(group, key=number):
            rank[case] = seen[case.call, case.occurrence]
            seen[case.call, case.occurrence] += 1
        group.sort(key=lambda case: (rank[case], number(case)))
        taken += len(group) * runs / len(cases)
        chosen += group[: max(1, round(taken) - len(chosen))]
    return chosen


def is_static(path):
    """Whether no dynamic loader runs before it does. Source: elf(5)."""
    image = pathlib.Path(path).read_bytes()
    wide_elf = b"\x7fELF\x02"
    if not image.startswith(wide_elf):
        return False
    interpreter = 3
    offset, = struct.unpack_from("=Q", image, 32)
    size, count = struct.unpack_from("=HH", image, 54)
    return all(struct.unpack_from("=I", image, offset + size * at)[0] != interpreter for at in range(count))


def may_trace(options):
    strace = shutil.which("strace")
    if strace is None:
        return "there is no strace"
    trial = subprocess.run([strace, "-qq", "-o", "/dev/null", "-e", "inject=close:error=EIO:when=999", "true"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if trial.returncode != 0:
        return "strace does not work here: " + trial.stderr.strip()
    return None


def run_all(options, groups):
    """Returns: (runs, failures)."""
    began = time.monotonic()
    context = multiprocessing.get_context("fork")
    with context.Pool(options.jobs, begin, (options, {})) as pool:
        learned = pool.map(learn, groups, chunksize=1)
    failures = [("%s/%s" % group, problem) for group, _, _, problem in learned if problem]
    baselines = {group: said for group, said, _, _ in learned}
    everything = [case for _, _, cases, _ in learned for case in cases]
    if options.only:
        cases = [case for case in everything if name_of(case).startswith(options.only)]
        if not cases:
            sys.exit("no case begins with " + options.only)
    else:
        cases = spread(everything, options.runs)
    runs = collections.Counter()
    calls = {}
    failed = collections.Counter()
    missed = collections.Counter()
    slowest = (0.0, "")
    for case in everything:
        calls.setdefault(case.command, set()).add((case.state, case.call, case.occurrence))
    with context.Pool(options.jobs, begin, (options, baselines)) as pool:
        for case, hit, problem, took in pool.imap_unordered(attempt, cases, chunksize=4):
            runs[case.command] += 1
            missed[case.command] += not hit
            slowest = max(slowest, (took, name_of(case)))
            if problem:
                failed[case.command] += 1
                failures.append((name_of(case), problem))
                if options.verbose or len(failures) <= options.show:
                    print("FAILED %s\n  %s\n  again: %s" % (name_of(case), problem.replace("\n", "\n  "),
                                                            again(options, name_of(case))), flush=True)
    total = sum(runs.values())
    print("%-20s %12s %8s %8s %9s" % ("command", "system calls", "runs", "missed", "failures"))
    for command in dict.fromkeys(group[0] for group in groups):
        print("%-20s %12d %8d %8d %9d" % (command, len(calls.get(command, ())), runs[command], missed[command],
                                          failed[command]))
    print("%d states, %d cases in all; missed: the run did not come to the call; slowest: %.1f s, %s" %
          (len({group[1] for group in groups}), len(everything), *slowest))
    for name, problem in failures:
        if name.count("/") == 1:
            print("FAILED %s without a fault\n  %s" % (name, problem))
    print("%d runs, %d failures in %.1f s" % (total, len(failures), time.monotonic() - began), flush=True)
    return total, failures


def again(options, name):
    words = [sys.argv[0], "--entry-point", str(options.entry_point)]
    if options.genie:
        words += ["--genie", str(options.genie)]
    return " ".join([*words, "--only", name])


def program(path):
    path = os.path.abspath(path)
    if not os.access(path, os.X_OK):
        sys.exit("not a program: " + path)
    return path


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--entry-point", default=os.environ.get("GENIE_CRASH_ENTRY_POINT", ""))
    arguments.add_argument("--genie", default=os.environ.get("GENIE_COMMAND", ""))
    arguments.add_argument("--runs", type=int, default=5000, help="about how many, spread over all cases")
    arguments.add_argument("--quick", action="store_true", help="1000 runs")
    arguments.add_argument("--all", action="store_true", help="every case, the slow ones too")
    arguments.add_argument("--only", metavar="CASE", help="the cases whose names begin so")
    arguments.add_argument("--prove", action="store_true", help="show that a program without genie is caught")
    arguments.add_argument("--jobs", type=int, default=max(4, 2 * len(os.sched_getaffinity(0))))
    arguments.add_argument("--show", type=int, default=20, help="how many failures to print in full")
    arguments.add_argument("--verbose", action="store_true", help="print all failures")
    arguments.add_argument("--root", help="where state directories are made; default: /dev/shm, else $TMPDIR")
    options = arguments.parse_args()
    if options.quick:
        options.runs = 1000
    if options.all:
        options.runs = None
    problem = may_trace(options)
    if problem:
        print("skipped: " + problem)
        return 77
    options.entry_point = program(options.entry_point)
    options.genie = program(options.genie) if options.genie else None
    place = options.root or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    options.root = tempfile.mkdtemp(prefix="genie-crash-", dir=place)
    try:
        if options.prove:
            _, failures = run_all(options, [("original", state) for state in STATES])
            by_kill = sum(name.endswith("/SIGKILL") for name, _ in failures)
            catches = 0 < by_kill < len(failures)
            print("the harness %s a program without genie: %d of its deaths, %d of its failing calls" %
                  ("catches" if catches else "DOES NOT CATCH", by_kill, len(failures) - by_kill))
            return 0 if catches else 1
        commands = [*LIBRARY, *(COMMANDS if options.genie else ())]
        if options.genie and not (is_static(options.genie) and is_static(options.entry_point)):
            # A fault that is meant for a child's own call would as well strike its loader's.
            commands = [command for command in commands if not command.endswith("+")]
            print("linked dynamically, so the commands with their children (+) are left out")
        groups = [(command, state) for command in commands
                  for state in [*STATES, *([LEADER] if command in ENDERS else ())]
                  if options.runs is None or options.only or (command, state) not in SLOW]
        if options.only:
            wanted = tuple(options.only.split("/")[:2])
            groups = [group for group in groups if group[: len(wanted)] == wanted]
        _, failures = run_all(options, groups)
        return 1 if failures else 0
    finally:
        shutil.rmtree(options.root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
