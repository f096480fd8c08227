"""Under somebody who supervises genie itself: systemd's notifications, PID files, units, and exit statuses that lead to no
restart storm."""
import ctypes
import os
import re
import shutil
import signal
import socket
import time
import unittest

from _support import FAILURE, OK, SLEEPER, TRY_AGAIN, USAGE, GenieTest, server, wait_until


class Manager:
    """The end of $NOTIFY_SOCKET that a service manager has."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(30)

    def hear(self):
        return self.socket.recv(8192).decode()

    def hears_nothing_more(self):
        self.socket.setblocking(False)
        try:
            return self.socket.recv(8192) is None
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(30)


class Notifications(GenieTest):
    def setUp(self):
        super().setUp()
        self.manager = Manager(str(self.root / "notify"))
        self.addCleanup(self.manager.socket.close)
        self.notified = {**self.environment, "NOTIFY_SOCKET": self.manager.address}

    def run_notified(self, *arguments):
        return self.spawn("run", *arguments, env=self.notified)

    def test_ready_is_told_once_the_command_is(self):
        gate = self.gate()
        runner = self.run_notified("--ready", "notify", "--", *server("--gate", gate, "--notify", "READY=1"))
        self.wait_for_state("starting")
        self.assertTrue(self.manager.hears_nothing_more())
        self.open_gate(gate)
        self.assertEqual(self.manager.hear(), "READY=1\nSTATUS=serve is running")
        runner.send(signal.SIGTERM)
        self.assertEqual(self.manager.hear(), "STOPPING=1")
        runner.finish()
        self.assertTrue(self.manager.hears_nothing_more())

    def test_an_abstract_address_will_do(self):
        manager = Manager("@genie-test-%d-%d" % (os.getpid(), time.monotonic_ns()))
        self.addCleanup(manager.socket.close)
        self.spawn("run", "--", *SLEEPER, env={**self.environment, "NOTIFY_SOCKET": manager.address})
        self.assertTrue(manager.hear().startswith("READY=1\n"))

    def test_what_the_command_says_of_itself_is_passed_on(self):
        gate = self.gate()
        words = ("--notify", "STATUS=backfill 3 of 9\nEXTEND_TIMEOUT_USEC=20000000", "--gate", gate)
        words += ("--notify", "READY=1", "--notify", "STATUS=serving", "--notify", "MAINPID=1\nWATCHDOG=1")
        runner = self.run_notified("--ready", "notify", "--ready-timeout", "5s", "--", *server(*words))
        self.assertEqual(self.manager.hear(), "STATUS=backfill 3 of 9")
        self.assertEqual(self.manager.hear(), "EXTEND_TIMEOUT_USEC=20000000")
        self.open_gate(gate)
        self.assertEqual(self.manager.hear(), "READY=1\nSTATUS=serve is running")
        self.assertEqual(self.manager.hear(), "STATUS=serving")
        runner.send(signal.SIGTERM)
        self.assertEqual(self.manager.hear(), "STOPPING=1")

    def test_what_the_command_says_together_with_ready_stands(self):
        self.run_notified("--ready", "notify", "--", *server("--notify", "READY=1\nSTATUS=serving"))
        self.assertEqual(self.manager.hear(), "READY=1\nSTATUS=serve is running")
        self.assertEqual(self.manager.hear(), "STATUS=serving")

    def test_a_command_that_goes_on_notifying_is_not_kept_waiting(self):
        words = ["--notify", "READY=1"] + ["--notify", "STATUS=" + "x" * 2000] * 600 + ["--say", "not kept waiting"]
        self.genie_ok("start", "--ready", "notify", "--", *server(*words))
        wait_until(lambda: "not kept waiting" in self.log(), "the command goes on")

    def test_the_command_does_not_get_the_address(self):
        script = 'echo "address: ${NOTIFY_SOCKET-none}"'
        done = self.run_notified("--", "sh", "-c", script).finish()
        self.assertEqual(done.out, "address: none\n")

    def test_in_the_background_nobody_is_told(self):
        self.assertExit(self.spawn("start", "--", *SLEEPER, env=self.notified).finish(), OK)
        self.assertTrue(self.manager.hears_nothing_more())

    def test_already_running_is_a_success_that_is_told_before_the_end(self):
        # An end without READY=1 is a failure to systemd, whatever the exit status.
        owner = self.start()
        self.assertExit(self.run_notified("--", *SLEEPER).finish(), OK)
        self.assertEqual(self.manager.hear(), "READY=1\nSTATUS=serve already running (PID %d)" % owner["pid"])

    def test_a_refusal_is_not_told_as_ready(self):
        self.make_dir()
        os.mkfifo(self.dir / "serve.pid")
        self.assertExit(self.run_notified("--", *SLEEPER).finish(), FAILURE)
        self.assertTrue(self.manager.hears_nothing_more())

    def test_a_command_that_is_never_ready_is_not_told_as_ready(self):
        done = self.run_notified("--ready", "notify", "--", "true").finish()
        self.assertExit(done, FAILURE)
        self.assertTrue(self.manager.hears_nothing_more())

    def test_what_is_ready_after_its_directory_was_lost_is_not_told_as_ready(self):
        gate = self.gate()
        words = ("--say", "boots", "--ignore", "SIGTERM", "--gate", gate, "--notify", "READY=1", "--fail", 0)
        runner = self.run_notified("--ready", "notify", "--", *server(*words))
        self.assertEqual(runner.process.stdout.readline(), "boots\n")
        self.dir.rename(self.root / "elsewhere")
        self.assertIn("lost %s (all_missing)" % self.dir, runner.process.stderr.readline())
        self.open_gate(gate)
        self.assertExit(runner.finish(), FAILURE)
        self.assertTrue(self.manager.hears_nothing_more())

    def test_a_standby_is_ready_while_it_stands_by(self):
        owner = self.start()
        self.run_notified("--standby", "--", *SLEEPER)
        self.assertEqual(self.manager.hear(), "READY=1\nSTATUS=standing by; PID %d owns it" % owner["pid"])
        self.genie_ok("stop")
        heard = wait_until(lambda: (lambda text: text if "is running" in text else None)(self.manager.hear()), "it serves")
        self.assertEqual(heard, "READY=1\nSTATUS=serve is running")

    def test_an_address_where_nobody_is_changes_nothing(self):
        for address in ("/nowhere/at/all", "relative", "@" + "x" * 200, "@nobody"):
            done = self.spawn("run", "--", "echo", "served", env={**self.environment, "NOTIFY_SOCKET": address}).finish()
            self.assertExit(done, OK)
            self.assertEqual(done.out, "served\n")


class PidFile(GenieTest):
    def setUp(self):
        super().setUp()
        self.pidfile = self.root / "genie.pid"
        self.options = ("--pidfile", self.pidfile, "--", *SLEEPER)

    def test_is_there_when_start_returns_and_names_the_supervisor(self):
        done = self.genie_ok("start", *self.options)
        self.assertEqual(self.pidfile.read_text(), "%d\n" % done.pid)
        self.assertEqual(self.status()["pid"], done.pid)
        self.assertEqual(self.pidfile.stat().st_mode & 0o777, 0o644)
        self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["genie.pid", "state"])
        os.kill(int(self.pidfile.read_text()), signal.SIGTERM)
        self.wait_for_end_of(done.pid)
        self.assertFalse(self.pidfile.exists())
        self.assertStopped()

    def test_is_there_before_the_command_runs(self):
        runner = self.spawn("run", "--pidfile", self.pidfile, "--", "cat", self.pidfile)
        self.assertEqual(runner.finish().out, "%d\n" % runner.pid)

    def test_is_not_written_by_who_does_not_serve(self):
        self.start()
        self.assertExit(self.genie("start", *self.options), OK)
        self.assertExit(self.genie("ensure", *self.options), OK)
        self.assertExit(self.genie("run", *self.options), OK)
        self.assertFalse(self.pidfile.exists())

    def test_what_a_crash_left_is_replaced(self):
        first = self.genie_ok("start", *self.options).pid
        status = self.status()
        self.leave_stale(status)
        self.assertEqual(self.pidfile.read_text(), "%d\n" % first)
        second = self.genie_ok("start", *self.options).pid
        self.assertEqual(self.pidfile.read_text(), "%d\n" % second)

    def test_of_another_living_server_is_left_alone(self):
        self.genie_ok("start", *self.options)
        content = self.pidfile.read_text()
        self.dir = self.root / "other"
        done = self.genie("start", *self.options)
        self.assertExit(done, FAILURE)
        self.assertSays(done, "the PID file %s is in use by PID %s" % (self.pidfile, content.strip()))
        self.assertEqual(self.pidfile.read_text(), content)
        self.assertStopped()

    def test_that_names_a_process_which_was_there_when_it_was_written_is_left_alone(self):
        stranger = self.begin(*SLEEPER)
        self.pidfile.write_text("%d\n" % stranger.pid)
        done = self.genie("start", *self.options)
        self.assertExit(done, FAILURE)
        self.assertSays(done, "names PID %d, which is alive" % stranger.pid)
        self.assertEqual(self.pidfile.read_text(), "%d\n" % stranger.pid)

    def test_that_names_a_process_which_has_started_since_is_replaced(self):
        stranger = self.begin(*SLEEPER)
        self.pidfile.write_text("%d\n" % stranger.pid)
        os.utime(self.pidfile, (time.time() - 3600, time.time() - 3600))
        done = self.genie_ok("start", *self.options)
        self.assertEqual(self.pidfile.read_text(), "%d\n" % done.pid)
        self.assertFalse(stranger.has_ended)

    def test_that_names_nobody_is_replaced(self):
        for content in ("", "\n", "0\n", "-1\n", "99999999999999999999\n", "x" * 10000):
            self.pidfile.write_text(content)
            done = self.genie_ok("start", *self.options)
            self.assertEqual(self.pidfile.read_text(), "%d\n" % done.pid)
            self.genie_ok("stop")
            self.assertFalse(self.pidfile.exists())

    def stopped_at(self, call):
        """A `run` that the kernel stops after its first `call` on the PID file."""
        trace = self.root / "trace"
        stop = ("strace", "-D", "-o", trace, "-P", self.pidfile, "-e", "inject=%s:signal=SIGSTOP:when=1" % call)
        runner = self.begin(*stop, *self.arguments("run", *self.options))
        wait_until(lambda: trace.exists() and "stopped by SIGSTOP" in trace.read_text(), "it is stopped at " + call)
        return runner

    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_of_two_that_come_at_once_one_serves(self):
        for content, call in ((None, "?open,openat"), ("2147483647\n", "pread64")):
            with self.subTest(content):
                if content is not None:
                    self.pidfile.write_text(content)
                self.dir = self.root / "one"
                one = self.stopped_at(call)
                self.dir = self.root / "two"
                two = self.spawn("run", *self.options)
                wait_until(lambda: two.has_ended or self.pidfile.exists() and self.pidfile.read_text() == "%d\n" % two.pid,
                           "the second one serves, or has given up")
                one.send(signal.SIGCONT)
                wait_until(lambda: one.has_ended or two.has_ended, "one of them gives up")
                served, refused = (one, two.finish()) if two.has_ended else (two, one.finish())
                self.assertExit(refused, FAILURE)
                self.assertSays(refused, "the PID file %s is in use by" % self.pidfile)
                wait_until(lambda: self.pidfile.read_text() == "%d\n" % served.pid, "the other one serves")
                served.send(signal.SIGTERM)
                served.finish()
                self.assertEqual(sorted(path.name for path in self.root.iterdir()), ["one", "trace", "two"])
                (self.root / "trace").unlink()

    def test_of_many_that_come_at_once_one_serves(self):
        for content in (None, "2147483647\n"):
            with self.subTest(content):
                if content is not None:
                    self.pidfile.write_text(content)
                read, write = os.pipe()
                ready = ("sh", "-c", 'read -r _; exec "$@" </dev/null', "sh", self.command, "run")
                runners = [self.begin(*ready, "--dir", self.root / str(number), *self.options, stdin=read)
                           for number in range(8)]
                os.close(read)
                os.close(write)
                wait_until(lambda: sum(not runner.has_ended for runner in runners) <= 1, "all but one give up")
                (served,) = (runner for runner in runners if not runner.has_ended)
                for runner in runners:
                    if runner is not served:
                        self.assertExit(runner.finish(), FAILURE)
                wait_until(lambda: self.pidfile.read_text() == "%d\n" % served.pid, "one serves")
                served.send(signal.SIGTERM)
                served.finish()
                self.assertFalse([path for path in self.root.iterdir() if path.is_file()])

    def test_a_file_that_is_another_servers_of_genie_is_left_alone(self):
        self.start()
        self.genie_ok("stop")
        status = self.start()
        self.dir, other = self.root / "other", self.dir
        for name, words in (("serve.pid", "PID %d" % status["pid"]), ("serve.lock", "in use")):
            before = (other / name).stat().st_ino, (other / name).read_bytes()
            done = self.genie("run", "--pidfile", other / name, "--", *SLEEPER)
            self.assertExit(done, FAILURE)
            self.assertSays(done, other / name, words)
            self.assertEqual(((other / name).stat().st_ino, (other / name).read_bytes()), before)
        self.dir = other
        self.assertEqual(self.status()["pid"], status["pid"])

    def test_that_somebody_replaced_meanwhile_is_not_removed(self):
        self.genie_ok("start", *self.options)
        self.pidfile.unlink()
        self.pidfile.write_text("4711\n")
        self.genie_ok("stop")
        self.assertEqual(self.pidfile.read_text(), "4711\n")

    def test_of_another_kind_is_an_error_that_names_it(self):
        for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)):
            make(self.pidfile)
            done = self.genie("start", *self.options)
            self.assertExit(done, FAILURE)
            self.assertSays(done, self.pidfile)
            self.pidfile.rmdir() if self.pidfile.is_dir() and not self.pidfile.is_symlink() else self.pidfile.unlink()
        done = self.genie("start", "--pidfile", self.root / "absent" / "pid", "--", *SLEEPER)
        self.assertExit(done, FAILURE)
        self.assertSays(done, self.root / "absent" / "pid")
        self.assertStopped()


class ExitStatuses(GenieTest):
    """What a supervisor with Restart=on-failure and RestartPreventExitStatus=0 64 75 78 sees."""

    def test_already_running_is_no_failure(self):
        self.start()
        for subcommand in ("run", "start", "ensure"):
            self.assertExit(self.genie(subcommand, "--", *SLEEPER), OK)

    def test_a_refusal_is_one_that_is_not_tried_again(self):
        self.start()
        self.record("%d\n" % (time.time() * 1000 + 25_000), "serve.stopping.lock")
        self.assertExit(self.genie("ensure", "--", *SLEEPER), TRY_AGAIN)

    def test_in_the_background_the_end_is_the_commands_too(self):
        # What Type=forking sees of a stop: a death by SIGTERM is a clean end, exit status 1 is not.
        PR_SET_CHILD_SUBREAPER = 36
        prctl = ctypes.CDLL(None).prctl
        self.assertEqual(prctl(PR_SET_CHILD_SUBREAPER, 1), 0)
        self.addCleanup(prctl, PR_SET_CHILD_SUBREAPER, 0)
        for command, code in ((SLEEPER, -signal.SIGTERM), (server("--notify", "READY=1"), OK)):
            supervisor = self.genie_ok("start", "--ready", "none" if command is SLEEPER else "notify", "--", *command).pid
            os.kill(supervisor, signal.SIGTERM)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1]), code)
            self.assertStopped()

    def test_the_commands_own_failure_is_handed_on(self):
        self.assertExit(self.genie("run", "--", "sh", "-c", "exit 3"), 3)
        self.assertEqual(self.genie("run", "--", "sh", "-c", "kill -SEGV $$").code, -signal.SIGSEGV)


def words_of(line):
    """A command line as systemd splits it: systemd.syntax(7), QUOTING, and then specifiers and variables undone."""
    words, word, quote, begun, at = [], "", None, False, 0
    escapes = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'", "s": " "}
    while at < len(line):
        c = line[at]
        if c == "\\":
            if line[at + 1] == "x":
                word += chr(int(line[at + 2 : at + 4], 16))
                at += 4
            else:
                word += escapes[line[at + 1]]
                at += 2
            begun = True
            continue
        if quote:
            quote = None if c == quote else quote
            word += "" if quote is None else c
        elif c in "\"'" and not begun:
            quote, begun = c, True
        elif c == " ":
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word += c
            begun = True
        at += 1
    assert quote is None, line
    if begun:
        words.append(word)
    undone = []
    for number, word in enumerate(words):
        assert not re.search(r"(?<!%)(%%)*%(?![%St])", word), "a specifier in %r" % word
        assert number == 0 or not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word), "a variable in %r" % word
        undone.append(word.replace("%%", "%").replace("$$", "$") if number else word.replace("%%", "%"))
    return undone


class Unit(GenieTest):
    STRANGE = ["a b", "", "$HOME", "${x}$$", "100%", "%n", 'say "hi"', "it's", "back\\slash", "\\", ";", "line\nfeed",
               "tab\there", "\x01", "ünïcödé", "-x", "#", "a'b\"c$d%e\\f", "@x", "{}", "\\x41", " ", "trailing\\", "[a,b]", "[x]", "[]", "[[a,b]]"]

    def unit(self, *arguments):
        done = self.genie("unit", *arguments)
        self.assertExit(done, OK)
        return done.out

    def settings(self, unit):
        return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and line[0] != "#")

    def verify(self, unit, *options):
        """By systemd itself, where it is installed."""
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed (scripts/install-deps.sh check)")
        path = self.root / "under-test.service"
        path.write_text(unit)
        environment = {**self.environment, "XDG_RUNTIME_DIR": str(self.root)}
        done = self.begin("systemd-analyze", *options, "verify", path, env=environment).finish(120)
        self.assertExit(done, OK)
        self.assertNotIn(path.name, done.text, "it complains of nothing")

    def test_is_what_systemd_accepts(self):
        for kind in ("notify", "forking"):
            for user in ((), ("--user",)):
                with self.subTest(kind=kind, user=user):
                    self.verify(self.unit("--type", kind, *user, "--", *SLEEPER), *user)

    def test_arguments_arrive_as_they_were_given(self):
        settings = self.settings(self.unit("--", "sleep", *self.STRANGE))
        words = words_of(settings["ExecStart"])
        self.assertEqual(words[words.index("--") + 1 :], [shutil.which("sleep"), *self.STRANGE])

    def test_arguments_of_any_kind_are_accepted(self):
        self.verify(self.unit("--", "sleep", *self.STRANGE))

    def test_paths_are_absolute_and_found_now(self):
        settings = self.settings(self.unit("--", "sleep", "1"))
        words = words_of(settings["ExecStart"])
        self.assertEqual(words[:4], [os.path.realpath(self.command), "run", "--dir", str(self.dir)])
        self.assertEqual(words[-2:], [shutil.which("sleep"), "1"])
        script = self.root / "my server"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        for spelled in ("./my server", str(script)):
            words = words_of(self.settings(self.unit("--", spelled))["ExecStart"])
            self.assertEqual(words[-1], str(script))
        self.assertEqual(self.settings(self.unit("--", "sleep"))["WorkingDirectory"], str(self.root))

    def test_two_dots_after_a_link_lead_where_the_kernel_goes(self):
        (self.root / "real" / "v2" / "bin").mkdir(parents=True)
        (self.root / "cur").symlink_to("real/v2/bin")
        beyond = self.root / "real" / "v2"
        (beyond / "server").symlink_to(shutil.which("sleep"))
        self.dir = None
        in_path = {**self.environment, "PATH": "cur/..:" + self.environment["PATH"]}
        for spelled, environment in (("cur/../server", self.environment), ("server", in_path)):
            done = self.genie("unit", "--dir", "cur/../state", "--log", "cur/../log", "--", spelled, env=environment)
            self.assertExit(done, OK)
            words = words_of(self.settings(done.out)["ExecStart"])
            for path, file in ((words[-1], "server"), (words[words.index("--dir") + 1], "state"),
                               (words[words.index("--log") + 1], "log")):
                self.assertEqual(os.path.realpath(os.path.dirname(path)), str(beyond), path)
                self.assertEqual(os.path.basename(path), file)
        # systemd takes no path with two dots here.
        settings = self.settings(self.unit("--dir", "d", "--type", "forking", "--pidfile", "cur/../pid", "--", "sleep"))
        self.assertEqual(settings["PIDFile"], str(beyond / "pid"))

    def test_a_command_that_is_not_there_is_a_failure_that_names_it(self):
        for name in ("no-such-command", "./no-such-command", str(self.root)):
            done = self.genie("unit", "--", name)
            self.assertExit(done, FAILURE)
            self.assertSays(done, name)
            self.assertEqual(done.out, "")

    def test_notify_runs_in_the_foreground(self):
        settings = self.settings(self.unit("--ready", "tcp:4711", "--ready-timeout", "90s", "--grace", "30s", "--", "sleep"))
        self.assertEqual(settings["Type"], "notify")
        self.assertEqual(settings["KillMode"], "mixed")
        self.assertEqual(settings["Restart"], "on-failure")
        self.assertEqual(settings["RestartPreventExitStatus"], "0 64 75 78")
        self.assertEqual(settings["TimeoutStartSec"], "100")
        self.assertEqual(settings["TimeoutStopSec"], "35")
        self.assertEqual(settings["WantedBy"], "multi-user.target")
        self.assertIn("--ready tcp:4711 --ready-timeout 90s -- ", settings["ExecStart"])

    def test_what_the_server_publishes_and_says_of_itself_is_kept(self):
        told = ["--endpoint", "http=tcp:8080", "--endpoint", "url=text:100% $HOME", "--build", "b 1", "--server-version", "1.2"]
        for kind in ("notify", "forking"):
            words = words_of(self.settings(self.unit("--type", kind, *told, "--", "sleep"))["ExecStart"])
            self.assertEqual([word for word in words if word in told], told)

    def test_a_standby_that_forks_is_wrong_usage(self):
        # `genie start` knows no standbys.
        done = self.genie("unit", "--type", "forking", "--standby", "--", "sleep")
        self.assertExit(done, USAGE)
        self.assertSays(done, "--standby", "--type notify")
        self.assertIn(" --standby ", self.settings(self.unit("--standby", "--", "sleep"))["ExecStart"])

    def test_forking_starts_in_the_background_with_a_pid_file(self):
        unit = self.unit("--type", "forking", "--user", "--", "sleep")
        settings = self.settings(unit)
        self.assertEqual((settings["Type"], settings["PIDFile"]), ("forking", "%t/genie-serve.pid"))
        self.assertEqual(settings["WantedBy"], "default.target")
        self.assertIn(" start ", settings["ExecStart"])
        self.assertIn(" --pidfile %t/genie-serve.pid -- ", settings["ExecStart"])
        settings = self.settings(self.unit("--type", "forking", "--pidfile", "a%b.pid", "--", "sleep"))
        self.assertEqual(settings["PIDFile"], str(self.root / "a%%b.pid"))

    def test_without_a_directory_the_service_manager_makes_one(self):
        self.dir = None
        settings = self.settings(self.unit("--name", "my-server", "--", "sleep"))
        self.assertEqual(settings["StateDirectory"], "genie/my-server")
        self.assertIn(" --dir %S/genie/my-server --name my-server -- ", settings["ExecStart"])
        self.verify(self.unit("--name", "my-server", "--", *SLEEPER))
        refused = self.genie("unit", "--name", "my server", "--", "sleep")
        self.assertExit(refused, USAGE)
        self.assertSays(refused, "--dir")

    def test_its_command_line_works(self):
        settings = self.settings(self.unit("--port", "4711", "--", "sh", "-c", 'printf "%s|" "$@"; exec sleep 1000', "sh", *self.STRANGE))
        path = self.root / "out"
        with open(path, "w") as out:
            self.begin(*words_of(settings["ExecStart"]), stdout=out)
        self.assertEqual(self.wait_for_state("running")["port"], 4711)
        wait_until(lambda: path.read_text() == "".join(word + "|" for word in self.STRANGE), "the arguments arrive")

    def test_of_no_type_that_there_is(self):
        self.assertExit(self.genie("unit", "--type", "simple", "--", "sleep"), USAGE)


if __name__ == "__main__":
    unittest.main()
