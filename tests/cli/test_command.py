"""What the genie command promises to scripts: exit statuses, messages, JSON, and what the guarded server inherits."""
import fcntl
import os
import pathlib
import resource
import shutil
import signal
import socket
import stat
import struct
import time
import unittest

from _support import (
    DEAD,
    FAILURE,
    GENIE,
    NEEDS_A_PERSON,
    NOT_RUNNING,
    OK,
    RUNNING,
    SLEEPER,
    TRY_AGAIN,
    UNKNOWN,
    USAGE,
    GenieTest,
    descriptors,
    free_port,
    is_alive,
    parent,
    process_stat,
    server,
    shell_status,
    signal_mask,
    start_time,
    wait_until,
)


class Usage(GenieTest):
    def test_what_cannot_be_understood_is_a_usage_error(self):
        wrong = [
            [],
            ["restart"],
            ["--frobnicate"],
            ["start"],
            ["run"],
            ["ensure"],
            ["start", "--"],
            ["start", "--dir", "state", "--name"],
            ["start", "--frobnicate", "--", "true"],
            ["start", "--port", "nonsense", "--", "true"],
            ["start", "--port", "65536", "--", "true"],
            ["start", "--port", "0", "--", "true"],
            ["start", "--port", "-1", "--", "true"],
            ["start", "--port", "+80", "--", "true"],
            ["start", "--port", "0x50", "--", "true"],
            ["start", "--port", "80.0", "--", "true"],
            ["endpoint", "--after", "-1"],
            ["endpoint", "--after", "0x1"],
            ["endpoint", "--after", "18446744073709551616"],
            ["start", "--ready", "perhaps", "--", "true"],
            ["start", "--ready", "tcp:", "--", "true"],
            ["start", "--ready", "tcp:0", "--", "true"],
            ["start", "--ready", "tcp:65536", "--", "true"],
            ["start", "--ready", "tcp:80x", "--", "true"],
            ["start", "--ready", "unix:", "--", "true"],
            ["start", "--ready-timeout", "soon", "--", "true"],
            ["start", "--ready-timeout", "-1s", "--", "true"],
            ["start", "--stop-signal", "KILL", "--", "true"],
            ["start", "--stop-signal", "", "--", "true"],
            ["stop", "--grace", "10parsecs"],
            ["stop", "--grace", ""],
            ["status", "--yaml"],
            ["port", "surplus"],
        ]
        for words in wrong:
            with self.subTest(words):
                done = self.begin(self.command, *words).finish()
                self.assertExit(done, USAGE)
                self.assertTrue(done.err, "says what is wrong")
        self.assertFalse((self.root / ".genie").exists(), "and touches nothing")

    def test_spans_are_taken_up_to_what_a_clock_can_add(self):
        for span in ("50000m", "16666666m", "1000000000", "1000000000s", "1000000000000ms"):
            with self.subTest(span):
                self.dir = self.root / span
                done = self.genie_ok("start", "--ready-timeout", span, "--deadline", span, "--", *SLEEPER)
                self.assertEqual(self.genie_ok("wait", "--timeout", span).pid, done.pid)
                self.genie_ok("stop", "--grace", span)
        for span in ("16666667m", "1000000000m", "1000000001s", "1000000000001ms", "99999999999999999999s", "9" * 18 + "m"):
            with self.subTest(span):
                done = self.genie("start", "--ready-timeout", span, "--", *SLEEPER)
                self.assertExit(done, USAGE)
                self.assertSays(done, "at most 1000000000s")

    def test_a_number_is_decimal_whatever_it_begins_with(self):
        self.start("--port", "0080", "--", *SLEEPER)
        self.assertEqual(self.genie_ok("port").out, "80\n")

    def test_what_is_given_but_empty_is_a_usage_error_that_names_it(self):
        # As a script's variable is that nobody has set: it must not mean the default.
        self.dir = None
        empty = [(subcommand, option) for option in ("--dir", "--name", "--port-file")
                 for subcommand in ("run", "start", "ensure", "restart", "unit", "stop", "status", "port", "endpoint", "wait")]
        empty += [(subcommand, option) for option in ("--log", "--pidfile") for subcommand in ("run", "start", "unit")]
        empty += [("start", "--chdir"), ("ensure", "--chdir")]
        for subcommand, option in empty:
            takes_command = subcommand in ("run", "start", "ensure", "restart", "unit")
            command = ["--", *SLEEPER] if takes_command else []
            for words in ([option, ""], [option + "="]):
                with self.subTest(subcommand=subcommand, words=words):
                    done = self.genie(subcommand, *words, *command)
                    self.assertExit(done, USAGE)
                    self.assertSays(done, option, "empty")
        for words in (["run", "--", ""], ["start", "--", "", "x"], ["unit", "--", ""], ["endpoint", ""]):
            with self.subTest(words):
                done = self.genie(*words)
                self.assertExit(done, USAGE)
                self.assertSays(done, "empty")
        self.assertEqual(os.listdir(self.root), [])
        self.assertEqual(self.processes(), [])

    def test_help_and_version(self):
        for words in (["--help"], ["start", "--help"], ["--version"]):
            with self.subTest(words):
                done = self.begin(self.command, *words).finish()
                self.assertExit(done, OK)
                self.assertTrue(done.out)

    PLACED = ("run", "start", "ensure", "restart", "unit", "stop", "status", "port", "endpoint", "wait")

    def each_with_a_place(self, *options):
        for subcommand in self.PLACED:
            takes_command = subcommand in ("run", "start", "ensure", "restart", "unit")
            yield self.genie(subcommand, *options, *(["--", *SLEEPER] if takes_command else []))

    def test_a_name_that_would_leave_the_directory_is_a_usage_error(self):
        for name in ("../escape", "a/b", ".", "..", ".hidden", "x" * 300, "serve.stopping"):
            for option in ("--name", "--port-file"):
                if (option, name) == ("--port-file", "serve.stopping"):
                    continue
                for done in self.each_with_a_place(option, name):
                    self.assertExit(done, USAGE)
                    self.assertSays(done, "not a usable name")
        self.assertEqual(self.processes(), [])
        self.assertEqual(os.listdir(self.root), [])

    def test_a_directory_with_a_path_that_no_file_in_it_could_have_is_a_usage_error(self):
        for done in self.each_with_a_place("--dir", "/" + "x/" * 2500):
            self.assertExit(done, USAGE)
            self.assertSays(done, "use a shorter path")

    @unittest.skipUnless(os.geteuid() == 0, "needs a user whom the system does not know")
    def test_who_has_no_home_is_told_how_to_name_a_directory(self):
        self.dir = None
        del self.environment["HOME"]
        self.root.chmod(0o755)
        self.command = shutil.copy(GENIE, self.root / "genie")
        os.chmod(self.command, 0o755)
        self.identity = {"user": 54321, "group": 54321, "extra_groups": []}
        for done in self.each_with_a_place():
            self.assertExit(done, USAGE)
            self.assertSays(done, "--dir", "GENIE_HOME")
        self.environment["GENIE_HOME"] = str(self.root / "state")
        self.assertExit(self.genie("status"), NOT_RUNNING)

    def test_a_socket_to_wait_for_that_nobody_can_bind_is_a_usage_error(self):
        for subcommand in ("run", "start", "ensure", "restart", "unit"):
            done = self.genie(subcommand, "--ready", "unix:/" + 107 * "x", "--", *SLEEPER)
            self.assertExit(done, USAGE)
            self.assertSays(done, "--ready unix:", "at most 107")
        self.assertFalse(self.dir.exists())

    def test_a_file_of_genies_own_is_no_place_for_its_pid_or_the_output(self):
        lock = self.record("", "serve.lock")
        (self.root / "link").symlink_to("state")
        (self.root / "log").symlink_to("state/serve.lock")
        own = ["serve.pid", "serve.lock", "serve.stopping.lock", "serve.stopping.tmp", "serve.stopping.guard",
               "serve.endpoints", "pgserve.port"]
        rows = [(option, "%s/%s" % (folder, name), name) for option in ("--pidfile", "--log") for name in own
                for folder in (self.dir, "state", "link", "link/../state/.")]
        rows += [("--pidfile", "state/serve.log", "serve.log"), ("--log", "log", "serve.lock")]
        for option, path, name in rows:
            for subcommand in ("run", "start", "ensure", "restart", "unit"):
                with self.subTest(subcommand=subcommand, option=option, path=path):
                    done = self.genie(subcommand, option, path, "--", *SLEEPER)
                    self.assertExit(done, USAGE)
                    self.assertSays(done, option, os.path.basename(path), self.dir / name)
        self.assertEqual((os.listdir(self.dir), lock.read_text()), (["serve.lock"], ""))
        lock.unlink()
        self.dir.rmdir()
        self.assertExit(self.genie("start", "--pidfile", self.dir / "serve.pid", "--", *SLEEPER), USAGE)
        one = ("--pidfile", "file", "--log", self.root / "." / "file")
        self.assertExit(self.genie("start", *one, "--", *SLEEPER), USAGE)
        self.assertFalse(self.dir.exists())

    def test_files_of_other_names_may_be_in_the_directory(self):
        words = ("--name", "one", "--pidfile", self.dir / "own.pid", "--log", self.dir / "serve.log")
        self.make_dir()
        done = self.genie_ok("start", *words, "--", *SLEEPER)
        self.assertEqual((self.dir / "own.pid").read_text(), "%d\n" % done.pid)
        self.genie_ok("start", "--log", self.dir / "serve.log", "--", *SLEEPER)


class Directory(GenieTest):
    def test_genie_home_is_the_default_and_home_the_next(self):
        self.dir = None
        self.start()
        self.assertTrue((self.root / ".genie" / "serve.pid").is_file())
        self.environment["GENIE_HOME"] = str(self.root / "elsewhere")
        self.assertEqual(self.status()["state"], "stopped")
        status = self.start()
        self.assertEqual(status["dir"], str(self.root / "elsewhere"))
        self.genie_ok("stop")
        del self.environment["GENIE_HOME"]
        self.assertEqual(self.status()["state"], "running")

    def test_the_directory_and_its_files_are_private(self):
        self.start("--port", "4711", "--", *SLEEPER)
        self.assertEqual(stat.S_IMODE(self.dir.stat().st_mode), 0o700)
        for path in self.dir.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, path)

    def test_a_relative_directory_is_found_from_everywhere(self):
        done = self.genie_ok("start", "--dir", "state", "--", *SLEEPER)
        self.assertEqual(self.status()["pid"], done.pid)
        self.genie_ok("stop", "--dir", "./state/../state/")
        self.assertStopped()

    def test_two_dots_after_a_link_lead_where_the_kernel_goes(self):
        (self.root / "real" / "v2" / "bin").mkdir(parents=True)
        (self.root / "cur").symlink_to("real/v2/bin")
        (self.root / "real" / "v2" / "server").symlink_to(shutil.which("sleep"))
        self.dir = self.root / "real" / "v2" / "state"
        beyond = "cur/.."
        words = ("--dir", beyond + "/state", "--log", beyond + "/log", "--pidfile", beyond + "/pid", "--chdir", beyond)
        done = self.genie_ok("start", *words, "--", "./%s/server" % beyond, "1000")
        status = self.status()
        self.assertEqual(status["pid"], done.pid)
        self.assertEqual(os.readlink("/proc/%d/cwd" % status["server_pid"]), str(self.root / "real" / "v2"))
        self.assertEqual(sorted(os.listdir(self.root / "real" / "v2")), ["bin", "log", "pid", "server", "state"])
        self.assertEqual(sorted(os.listdir(self.root)), ["cur", "real"])
        self.assertExit(self.genie("run", "--dir", beyond + "/state", "--", "true"), OK)
        self.assertEqual(self.genie_ok("stop", "--dir", beyond + "/state").code, OK)
        self.assertStopped()

    def test_slashes_and_dots_that_say_nothing_are_left_out(self):
        for spelling in ("state", "./state", ".//state//", "./././state/", "state/."):
            status = self.status("--dir", spelling)
            self.assertEqual(status["dir"], str(self.dir), spelling)

    def test_any_characters_may_be_in_its_path(self):
        for name in ("with space", "ümläut", "new\nline", "'quo\"ted$HOME", "-dash"):
            with self.subTest(name):
                self.dir = self.root / name
                self.start()
                self.assertEqual(self.status()["dir"], str(self.dir))
                self.genie_ok("stop")

    def test_servers_of_different_names_share_a_directory(self):
        one = self.genie_ok("start", "--name", "one", "--port-file", "one", "--port", "1001", "--", *SLEEPER)
        two = self.genie_ok("start", "--name", "two", "--port-file", "two", "--port", "1002", "--", *SLEEPER)
        self.assertNotEqual(one.pid, two.pid)
        self.assertEqual(self.genie_ok("ensure", "--name", "one", "--", *SLEEPER).pid, one.pid)
        self.genie_ok("stop", "--name", "one")
        self.assertEqual(self.status("--name", "one")["state"], "stopped")
        self.assertEqual(self.status("--name", "two")["pid"], two.pid)
        self.assertEqual(self.genie_ok("port", "--name", "two", "--port-file", "two").out.strip(), "1002")

    def test_what_is_no_usable_directory_is_an_error_that_names_it(self):
        (self.root / "file").write_text("not a directory")
        odd = {
            self.root / "file": "ot a directory",
            self.root / "missing" / "parent": "No such file or directory",
            self.root / ("x" * 300): "name too long",  # as each C library says it
        }
        for path, message in odd.items():
            for subcommand in ("run", "start", "ensure"):
                with self.subTest("%s %.80s" % (subcommand, path)):
                    done = self.genie(subcommand, "--dir", path, "--", "touch", self.root / "ran")
                    self.assertExit(done, FAILURE)
                    self.assertSays(done, message, str(path)[:50])
        self.assertFalse((self.root / "ran").exists())
        self.assertEqual((self.root / "file").read_text(), "not a directory")

    def test_a_directory_without_permission_is_an_error_that_names_it(self):
        self.drop_privileges()
        (self.root / "locked").mkdir(0o555)
        sealed = self.make_dir()
        self.give_away(self.root / "locked", sealed)
        sealed.chmod(0o000)
        for path in (self.root / "locked" / "state", sealed):
            for subcommand in ("run", "start", "ensure"):
                with self.subTest("%s %s" % (subcommand, path)):
                    done = self.genie(subcommand, "--dir", path, "--", *SLEEPER)
                    self.assertExit(done, FAILURE)
                    self.assertSays(done, "Permission denied", path)
        self.assertExit(self.genie("status", "--dir", sealed), UNKNOWN)
        self.assertExit(self.genie("stop", "--dir", sealed), FAILURE)
        self.assertEqual(self.processes(), [])

    def test_looking_creates_nothing(self):
        for words, code in ((["status"], NOT_RUNNING), (["port"], NOT_RUNNING), (["stop"], OK)):
            self.assertExit(self.genie(*words), code)
        self.assertFalse(self.dir.exists())
        self.make_dir()
        for words, code in ((["status"], NOT_RUNNING), (["port"], NOT_RUNNING), (["stop"], OK)):
            self.assertExit(self.genie(*words), code)
        self.assertEqual(os.listdir(self.dir), [])


class Run(GenieTest):
    def test_exits_as_the_command_did(self):
        for code in (0, 1, 3, 64, 75, 255):
            self.assertExit(self.genie("run", "--", "sh", "-c", "exit %d" % code), code)
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
            done = self.genie("run", "--", "sh", "-c", "kill -%d $$" % number)
            self.assertEqual(shell_status(done.code), 128 + number, done)
        self.assertStopped()

    def test_a_command_that_cannot_be_executed_is_a_failure_that_names_it(self):
        (self.root / "text").write_text("no program")
        for command, message in (("/does/not/exist", "No such file"), (self.root / "text", "Permission denied")):
            done = self.genie("run", "--", command)
            self.assertNotEqual(done.code, OK, done)
            self.assertSays(done, command, message)
        self.assertStopped()

    def test_is_transparent_to_input_output_arguments_and_environment(self):
        script = 'cat; printf "%s|" "$@" "$GENIE_TEST_WORD"; echo to stderr >&2'
        self.environment["GENIE_TEST_WORD"] = "wörd"
        words = ("", "a b", "--dir", "*", "$HOME", "--", "new\nline")
        run = self.spawn("run", "--", "sh", "-c", script, "sh", *words, stdin=-1)
        done = run.finish(input="from stdin\n")
        expected = "from stdin\n" + "|".join((*words, "wörd", ""))
        self.assertEqual((done.code, done.out, done.err), (0, expected, "to stderr\n"))

    # What a reader of lists, of separators or of options would not leave as it is.
    WORDS = ["[a,b]", "[x]", "[]", "[[a,b]]", "", "[--dir,x]", "[", "a,b", "{}", "%%", "-5", "++", "--", "-x", "--dir=", "stop"]

    def test_arguments_arrive_as_they_were_given(self):
        for subcommand in ("run", "start", "ensure", "restart"):
            with self.subTest(subcommand):
                self.dir = self.root / subcommand
                out = self.root / ("out of " + subcommand)
                script = 'printf "%s\\n" "$@" >"$0.new" && mv "$0.new" "$0"'
                self.genie(subcommand, "--", "sh", "-c", script, out, *self.WORDS)
                self.wait_for_state("stopped")  # whatever a starter makes of a server that ends at once
                self.assertEqual(out.read_text().split("\n")[:-1], self.WORDS)

    def test_the_two_dashes_may_be_left_out_where_the_arguments_are_no_options(self):
        script = 'printf "%s|" "$@"'
        words = ["[a,b]", "[]", "", "-5", "++", "stop", "-"]
        (self.root / "show").write_text("#!/bin/sh\n%s\n" % script)
        (self.root / "show").chmod(0o755)
        done = self.genie("run", "./show", *words, "--stop-signal", "INT")
        self.assertEqual((done.code, done.out), (0, "".join(word + "|" for word in words)), done)
        for unclear in (["-x"], ["a", "--", "b"]):
            self.assertExit(self.genie("run", "./show", *unclear), USAGE)

    def test_owns_the_directory_while_the_command_runs(self):
        run = self.spawn("run", "--", *SLEEPER)
        status = self.wait_for_state("running")
        self.assertEqual(status["pid"], run.pid)
        self.assertEqual(self.servers(SLEEPER), [status["server_pid"]])
        second = self.genie("run", "--", "touch", self.root / "ran")
        self.assertExit(second, OK)
        self.assertSays(second, "serve already running (PID %d)" % run.pid)
        self.assertFalse((self.root / "ran").exists())
        self.genie_ok("stop")
        self.assertEqual(shell_status(run.finish().code), 128 + signal.SIGTERM)
        self.assertStopped()

    def test_hands_signals_on(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number.name):
                run = self.spawn("run", "--ready", "notify", "--", *server("--notify", "READY=1"))
                self.wait_for_state("running")
                run.send(number)
                done = run.finish()
                self.assertEqual((done.code, done.out), (0, "received %s\n" % number.name), done)
        self.assertStopped()

    def test_asks_the_command_to_end_in_the_way_that_it_wants(self):
        for name in ("TERM", "INT", "QUIT", "HUP"):
            with self.subTest(name):
                options = ("--stop-signal", name, "--ready", "notify", "--", *server("--notify", "READY=1"))
                run = self.spawn("run", *options)
                self.wait_for_state("running")
                self.genie_ok("stop")
                done = run.finish()
                self.assertEqual((done.code, done.out), (0, "received SIG%s\n" % name), done)

    def test_works_for_a_command_that_ends_at_once(self):
        for _ in range(10):
            done = self.genie("run", "--", "true")
            self.assertEqual((done.code, done.text), (0, ""), done)
            self.assertStopped()


class Start(GenieTest):
    def test_says_which_process_owns_the_directory(self):
        done = self.genie_ok("start", "--", *SLEEPER)
        self.assertEqual(done.out, "serve started (PID %d)\n" % done.pid)
        self.assertEqual((self.dir / "serve.pid").read_text().strip(), "%d:%d" % (done.pid, start_time(done.pid)))
        status = self.status()
        self.assertEqual(status["pid"], done.pid)
        self.assertEqual(self.servers(SLEEPER), [status["server_pid"]])
        self.assertEqual(parent(status["server_pid"]), done.pid)

    def test_a_live_owner_is_named_and_left_alone(self):
        status = self.start()
        for subcommand in ("start", "ensure", "run"):
            done = self.genie(subcommand, "--", "touch", self.root / "ran")
            self.assertExit(done, OK)
            self.assertSays(done, "serve already running (PID %d)" % status["pid"])
        self.assertEqual(self.status()["server_pid"], status["server_pid"])
        self.assertFalse((self.root / "ran").exists())

    def test_ensure_starts_where_nothing_runs(self):
        done = self.genie_ok("ensure", "--", *SLEEPER)
        self.assertSays(done, "serve started (PID %d)" % self.status()["pid"])

    def test_logs_below_the_directory_by_default(self):
        self.start("--ready", "notify", "--", *server("--say", "first words", "--notify", "READY=1"))
        self.genie_ok("stop")
        self.assertIn("first words\n", self.log())
        self.assertIn("received SIGTERM\n", self.log())

    def test_logs_where_it_is_told_to(self):
        command = server("--say", "hello", "--notify", "READY=1")
        self.genie_ok("start", "--log", "own.log", "--ready", "notify", "--", *command)
        self.assertIn("hello\n", (self.root / "own.log").read_text())
        self.genie_ok("stop")
        done = self.genie("start", "--log", self.root / "no" / "such.log", "--", *SLEEPER)
        self.assertExit(done, FAILURE)
        self.assertSays(done, self.root / "no" / "such.log", "No such file")
        self.assertStopped()

    def test_a_command_that_fails_while_booting_fails_the_start_with_its_last_words(self):
        script = "i=0; while [ $i -lt 5000 ]; do i=$((i + 1)); echo line $i; done; echo too bad >&2; exit 7"
        for subcommand in ("start", "ensure"):
            began = time.monotonic()
            done = self.genie(subcommand, "--ready", "notify", "--", "sh", "-c", script)
            self.assertExit(done, FAILURE)
            self.assertSays(done, "7", "line 5000", "too bad")
            self.assertNotIn("line 1\n", done.text, "the tail only")
            self.assertLess(time.monotonic() - began, 10, "at once, not after the timeout")
            self.assertStopped()

    def test_a_failure_shows_nothing_of_an_earlier_run(self):
        self.start("--ready", "notify", "--", *server("--say", "earlier words", "--notify", "READY=1"))
        self.genie_ok("stop")
        done = self.genie("start", "--ready", "notify", "--", *server("--say", "later words", "--fail", "3"))
        self.assertExit(done, FAILURE)
        self.assertSays(done, "later words")
        self.assertNotIn("earlier words", done.text)

    def test_a_command_that_a_signal_ends_while_booting_fails_the_start(self):
        done = self.genie("start", "--ready", "notify", "--", "sh", "-c", "kill -KILL $$")
        self.assertExit(done, FAILURE)
        self.assertSays(done, "9")
        self.assertStopped()

    def test_a_command_that_cannot_be_executed_fails_the_start(self):
        for subcommand in ("start", "ensure"):
            done = self.genie(subcommand, "--", "/does/not/exist")
            self.assertExit(done, FAILURE)
            self.assertSays(done, "/does/not/exist", "No such file")
            self.assertStopped()

    def test_the_owner_goes_with_a_command_that_ends_by_itself(self):
        gate = self.gate()
        status = self.start("--ready", "notify", "--", *server("--notify", "READY=1", "--gate", gate, "--fail", "0"))
        self.open_gate(gate)
        self.wait_for_state("stopped")
        self.wait_for_end_of(status["pid"])
        self.assertStopped()

    def test_nothing_is_left_in_the_directory_but_the_lock_and_the_log(self):
        self.start("--port", "4711", "--", *SLEEPER)
        self.genie_ok("stop")
        self.assertEqual(sorted(os.listdir(self.dir)), ["serve.lock", "serve.log"])


class Ready(GenieTest):
    """`start` returns when the server is ready, and not before."""

    def check(self, *options, gate, port=None):
        start = self.spawn("start", *options)
        status = self.wait_for_state("starting")
        self.assertEqual(status["exit"], RUNNING)
        self.assertIsNone(status["port"], "no port before it is ready")
        self.assertExit(self.genie("port"), NOT_RUNNING)
        self.assertFalse(start.has_ended)
        self.open_gate(gate)
        done = start.finish()
        self.assertExit(done, OK)
        self.assertEqual(done.out, "serve started (PID %d)\n" % done.pid)
        status = self.status()
        self.assertEqual((status["state"], status["pid"], status["port"]), ("running", done.pid, port))
        self.genie_ok("stop")

    def test_tcp(self):
        gate, port = self.gate(), free_port()
        command = server("--gate", gate, "--tcp", port)
        self.check("--port", port, "--ready", "tcp:%d" % port, "--", *command, gate=gate, port=port)

    def test_unix(self):
        gate, path = self.gate(), self.root / "socket"
        # A predecessor's socket file answers nobody.
        with socket.socket(socket.AF_UNIX) as predecessor:
            predecessor.bind(str(path))
        self.check("--ready", "unix:%s" % path, "--", *server("--gate", gate, "--unix", path), gate=gate)

    def test_notify(self):
        gate = self.gate()
        command = server("--notify", "STATUS=thinking", "--gate", gate, "--notify", "STATUS=done\nREADY=1\nMAINPID=1")
        self.check("--ready", "notify", "--port", "4711", "--", *command, gate=gate, port=4711)

    def test_none(self):
        self.start("--ready", "none", "--", *SLEEPER)
        self.assertEqual(self.status()["state"], "running")

    def test_the_notify_socket_of_somebody_else_is_not_handed_down(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outer:
            outer.bind(str(self.root / "outer"))
            outer.setblocking(False)
            self.environment["NOTIFY_SOCKET"] = str(self.root / "outer")
            self.start("--ready", "notify", "--", *server("--notify", "READY=1"))
            with self.assertRaises(BlockingIOError):
                outer.recv(4096)

    def test_a_server_that_does_not_get_ready_in_time_fails_the_start_and_is_ended(self):
        port = free_port()
        for ready in ("notify", "tcp:%d" % port, "unix:%s" % (self.root / "socket")):
            with self.subTest(ready):
                command = server("--say", "still thinking", "--ignore", "SIGUSR1")
                done = self.genie("start", "--ready", ready, "--ready-timeout", "2s", "--", *command)
                self.assertExit(done, FAILURE)
                self.assertSays(done, "ready", "still thinking")
                wait_until(lambda: not self.processes(), "the server ends")
                self.assertStopped()

    def test_a_server_that_asks_for_more_time_gets_it(self):
        command = server("--notify", "EXTEND_TIMEOUT_USEC=20000000", "--slow", "3", "--notify", "READY=1")
        self.start("--ready", "notify", "--ready-timeout", "2s", "--", *command)

    def test_somebody_elses_answer_on_the_port_is_not_taken_for_the_servers(self):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            done = self.genie("start", "--ready", "tcp:%d" % port, "--", *server("--tcp", port))
            self.assertExit(done, NEEDS_A_PERSON)
            self.assertSays(done, port, "end that, or choose another")
        self.assertStopped()

    def test_a_predecessor_that_accepts_nobody_any_more_is_not_waited_for(self):
        path, port = self.root / "socket", free_port()
        for full, listening, ready in (("--full-unix", ("--unix", path), "unix:%s" % path),
                                       ("--full-tcp", ("--tcp", port), "tcp:%d" % port)):
            with self.subTest(ready):
                gate = self.gate("gate" + full)
                self.begin(*server(full, listening[1], "--gate", gate))
                self.open_gate(gate)
                done = self.genie("start", "--ready", ready, "--", *server(*listening))
                self.assertExit(done, NEEDS_A_PERSON)
                self.assertSays(done, ready, "end that, or choose another")
                self.assertStopped()

    def test_a_server_on_a_unix_socket_is_ready_before_it_accepts_anybody(self):
        path = self.root / "socket"
        self.start("--ready", "unix:%s" % path, "--", *server("--full-unix", path))
        self.assertEqual(self.status()["state"], "running")

    def test_the_timeout_holds_also_for_a_port_that_does_not_answer(self):
        executed, gate, full, port = self.gate("executed"), self.gate(), self.gate("full"), free_port()
        run = self.spawn("run", "--ready", "tcp:%d" % port, "--ready-timeout", "1s", "--",
                         *server("--gate", executed, "--gate", gate, "--full-tcp", port, "--gate", full))
        self.open_gate(executed)
        # It is not to connect before nobody can.
        run.send(signal.SIGSTOP)
        wait_until(lambda: process_stat(run.pid)[0] == "T", "it is stopped")
        self.open_gate(gate)
        self.open_gate(full)
        run.send(signal.SIGCONT)
        done = run.finish()
        self.assertExit(done, FAILURE)
        self.assertSays(done, "was not ready (tcp:%d) within 1000 ms" % port)

    def test_a_connection_to_itself_is_nobodys_answer(self):
        # Of two ports, the kernel gives the first to whoever connects: the very one that nobody listens on.
        port = 40000
        lone = ("unshare", "--map-root-user", "--net", "sh", "-c",
                "ip link set lo up && echo %d %d >/proc/sys/net/ipv4/ip_local_port_range && "
                "{ \"$@\"; status=$?; cat /proc/net/tcp /proc/net/tcp6; exit $status; }" % (port, port + 1), "sh")
        if not shutil.which("unshare") or not shutil.which("ip") or self.begin(*lone, "true").finish().code != OK:
            self.skipTest("no permission for a network of its own")
        done = self.begin(*lone, *self.arguments(
            "run", "--ready", "tcp:%d" % port, "--ready-timeout", "300ms", "--", *SLEEPER)).finish()
        self.assertExit(done, FAILURE)
        self.assertSays(done, "was not ready (tcp:%d) within 300 ms" % port)
        self.assertNotIn(":%04X " % port, done.out, "the port is left to the server")

    def test_a_timeout_may_be_longer_than_anybody_waits(self):
        for timeout in ("50000m", "1000000000s"):
            with self.subTest(timeout):
                gate, port = self.gate("gate" + timeout), free_port()
                options = ("--ready", "tcp:%d" % port, "--ready-timeout", timeout)
                self.check(*options, "--", *server("--gate", gate, "--tcp", port), gate=gate, port=port)

    def test_ensure_joins_a_start_in_progress(self):
        gate = self.gate()
        options = ("--ready", "notify", "--", *server("--gate", gate, "--notify", "READY=1"))
        start = self.spawn("start", *options)
        owner = self.wait_for_server("starting")["pid"]
        joining = [self.spawn(subcommand, *options) for subcommand in ("ensure", "start", "ensure")]
        self.open_gate(gate)
        for done in (start.finish(), *(other.finish() for other in joining)):
            self.assertExit(done, OK)
            self.assertEqual(done.pid, owner)
        self.assertEqual(len(self.servers(options[3:])), 1)


class Status(GenieTest):
    FIELDS = {
        "state", "pid", "start", "server_pid", "port", "dir", "name", "uptime_s", "assurance", "evidence",
    }

    def assertState(self, state, code):
        """By JSON, in words, and with the evidence. Returns: the JSON."""
        report = self.status()
        self.assertEqual((report["state"], report["exit"]), (state, code), report)
        self.assertLessEqual(self.FIELDS, set(report))
        for style in ([], ["--explain"]):
            done = self.genie("status", *style)
            self.assertExit(done, code)
            self.assertIn(state, done.out, done)
        return report

    def test_running(self):
        began = time.monotonic()
        done = self.genie_ok("start", "--port", "4711", "--", *SLEEPER)
        report = self.assertState("running", RUNNING)
        self.assertEqual(report["pid"], done.pid)
        self.assertEqual(int(report["start"]), start_time(done.pid))
        self.assertEqual([report["server_pid"]], self.servers(SLEEPER))
        self.assertEqual(report["port"], 4711)
        self.assertEqual((report["dir"], report["name"]), (str(self.dir), "serve"))
        self.assertLessEqual(report["uptime_s"], time.monotonic() - began)
        self.assertGreaterEqual(report["uptime_s"], 0)
        self.assertEqual(report["assurance"], "kernel_lock")
        self.assertTrue(report["evidence"])
        explained = self.genie_ok("status", "--explain")
        start = start_time(done.pid)
        self.assertSays(explained, done.pid, "started at %d, recorded %d" % (start, start))

    def test_an_answer_that_could_not_be_written_is_not_taken_for_one(self):
        self.start("--port", "4711")
        with open("/dev/full", "w") as full:
            for words, code in ((["status"], UNKNOWN), (["status", "--json"], UNKNOWN), (["port"], FAILURE)):
                # At the end, or at once, as a C library or a longer answer may have it.
                for buffering in ((), ("stdbuf", "-o0")):
                    with self.subTest(words, buffering=buffering):
                        done = self.begin(*buffering, *self.arguments(*words), stdout=full).finish()
                        self.assertExit(done, code)
                        self.assertSays(done, "No space left on device")

    def test_not_running(self):
        report = self.assertState("stopped", NOT_RUNNING)
        for field in ("pid", "start", "server_pid", "port", "uptime_s"):
            self.assertFalse(report[field], field)

    def test_starting(self):
        gate = self.gate()
        self.spawn("run", "--ready", "notify", "--", *server("--gate", gate))
        self.wait_for_state("starting")
        self.assertState("starting", RUNNING)

    def test_stopping(self):
        gate = self.gate()
        status = self.start("--ready", "notify", "--", *server("--notify", "READY=1", "--end-gate", gate))
        stop = self.spawn("stop", "--grace", "60s")
        self.wait_for_state("stopping")
        report = self.assertState("stopping", RUNNING)
        self.assertEqual(report["pid"], status["pid"])
        self.open_gate(gate)
        self.assertExit(stop.finish(), OK)
        self.assertState("stopped", NOT_RUNNING)

    def test_stale_because_the_process_is_gone(self):
        gone = self.begin("true")
        gone.finish()
        self.record("%d:17" % gone.pid)
        self.assertState("stale", DEAD)
        self.assertSays(self.genie("status", "--explain"), gone.pid)

    def test_stale_because_the_pid_is_a_strangers_by_now(self):
        stranger = self.begin(*SLEEPER)
        self.record("%d:17" % stranger.pid)
        report = self.assertState("stale", DEAD)
        self.assertEqual(report["pid"], stranger.pid)
        explained = self.genie("status", "--explain")
        self.assertSays(explained, "PID %d now started at %d, recorded 17" % (stranger.pid, start_time(stranger.pid)))

    def test_an_older_programs_live_owner_is_running(self):
        older = self.begin(*SLEEPER)
        self.record("%d:%d" % (older.pid, start_time(older.pid)))
        report = self.assertState("running", RUNNING)
        self.assertEqual(report["pid"], older.pid)
        for subcommand in ("start", "ensure", "run"):
            done = self.genie(subcommand, "--", "touch", self.root / "ran")
            self.assertExit(done, OK)
            self.assertSays(done, "serve already running (PID %d)" % older.pid)
        self.assertFalse((self.root / "ran").exists())

    def test_unknown_because_no_start_was_recorded(self):
        older = self.begin(*SLEEPER)
        self.record("%d:unknown" % older.pid)
        self.assertState("unknown", UNKNOWN)
        for subcommand in ("start", "ensure", "run"):
            self.assertRefused(self.genie(subcommand, "--", *SLEEPER), older.pid)
        self.assertNotEqual(self.genie("stop").code, OK)
        self.assertTrue(is_alive(older.pid))

    def test_unknown_because_the_record_is_empty(self):
        self.record("")
        self.assertState("unknown", UNKNOWN)
        # A claim in progress, or one that died: the next start recovers after a grace.
        self.start()

    def hold_lock(self, offset, length):
        """Locks a range of the lock file as an open file description, fcntl(2). Returns: the open file."""
        held = open(self.record("", "serve.lock"), "r+b")
        f_ofd_setlk = 37
        fcntl.fcntl(held, f_ofd_setlk, struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, offset, length, 0))
        return held

    def test_unknown_because_a_stranger_holds_the_lock(self):
        with self.hold_lock(0x40000000, 1):
            self.assertState("unknown", UNKNOWN)
            for subcommand in ("start", "ensure", "run"):
                self.assertRefused(self.genie(subcommand, "--", *SLEEPER), "lock")
            self.assertNotEqual(self.genie("stop").code, OK)
        self.start()

    def test_somebody_who_claims_for_ever_is_not_called_by_a_pid_that_nobody_knows(self):
        # A lock of the whole file includes the byte that a claim in progress holds.
        with self.hold_lock(0, 0):
            self.assertState("starting", RUNNING)
            for subcommand in ("start", "ensure", "run"):
                done = self.genie(subcommand, "--ready-timeout", "1s", "--", *SLEEPER)
                self.assertRefused(done)
                self.assertNotIn("PID 0", done.text)
            self.assertNotEqual(self.genie("stop").code, OK)
        self.start()

    def test_json_is_one_object_whatever_the_name_of_the_command(self):
        odd = self.root / "\udcff\"\\\n\x01"
        odd.symlink_to("/bin/sleep")
        self.start("--", odd, "1000")
        self.assertEqual(self.status()["state"], "running")


class Port(GenieTest):
    def test_is_printed_while_the_owner_lives(self):
        self.assertExit(self.genie("port"), NOT_RUNNING)
        self.start("--port", "4711", "--", *SLEEPER)
        self.assertEqual(self.genie_ok("port").out, "4711\n")
        self.assertEqual((self.dir / "pgserve.port").read_text().split("\n")[0], "4711")
        self.genie_ok("stop")
        done = self.genie("port")
        self.assertExit(done, NOT_RUNNING)
        self.assertEqual(done.out, "")

    def test_its_file_may_have_another_name(self):
        self.start("--port-file", "other", "--port", "4711", "--", *SLEEPER)
        self.assertTrue((self.dir / "other.port").is_file())
        self.assertEqual(self.genie_ok("port", "--port-file", "other").out, "4711\n")

    def test_none_was_published(self):
        self.start()
        self.assertExit(self.genie("port"), NOT_RUNNING)

    def test_of_a_predecessor_is_not_believed_and_removed_by_the_next_start(self):
        for content in ("4711", "4711\n", "not a port", "4711\nowner 1:1\ngeneration 1\nlock 1:1\n"):
            with self.subTest(content):
                port = self.record(content, "pgserve.port")
                self.assertExit(self.genie("port"), NOT_RUNNING)
                self.start()
                self.assertExit(self.genie("port"), NOT_RUNNING)
                self.assertFalse(port.exists())
                self.genie_ok("stop")

    def test_of_a_killed_owner_is_not_believed(self):
        status = self.start("--port", "4711", "--", *SLEEPER)
        os.kill(status["pid"], signal.SIGKILL)
        self.wait_for_state("stale")
        self.assertTrue((self.dir / "pgserve.port").exists())
        self.assertExit(self.genie("port"), NOT_RUNNING)
        self.assertIsNone(self.status()["port"])


class Inheritance(GenieTest):
    """What the guarded server gets from its starter: as little as possible."""

    def wait_until_only_the_lock_is_open(self, server):
        """What was handed on stays open; what the program opens for itself while it starts does not."""
        lock = {str(self.dir / "serve.lock")}
        wait_until(lambda: {target for number, target in descriptors(server).items() if number > 2} == lock,
                   lambda: "nothing but the lock is open, but: %s" % descriptors(server))

    def test_only_the_standard_streams_and_the_lock_are_open(self):
        read, write = os.pipe()
        high = fcntl.fcntl(read, fcntl.F_DUPFD, min(1500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1))
        for descriptor in (read, write, high):
            self.addCleanup(os.close, descriptor)
        for subcommand in ("start", "ensure"):
            options = ("--ready", "notify", "--", *server("--notify", "READY=1"))
            self.genie_ok(subcommand, *options, pass_fds=(read, write, high))
            status = self.status()
            log, lock = str(self.dir / "serve.log"), str(self.dir / "serve.lock")
            # It closes the socket by which it has told that it is ready.
            wait_until(lambda: "socket:" not in "".join(descriptors(status["server_pid"]).values()), "it has told all")
            opened = descriptors(status["server_pid"])
            self.assertEqual((opened.pop(0), opened.pop(1), opened.pop(2)), ("/dev/null", log, log))
            self.assertEqual(set(opened.values()), {lock})
            # The supervisor has more open, but nothing of the caller's.
            self.assertNotIn(os.readlink("/proc/self/fd/%d" % read), descriptors(status["pid"]).values())
            self.genie_ok("stop")

    def test_in_the_foreground_too(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        run = self.spawn("run", "--", *SLEEPER, pass_fds=(read, write))
        os.close(write)
        server = self.wait_for_state("running")["server_pid"]
        self.assertEqual(set(descriptors(server)) & {0, 1, 2}, {0, 1, 2})
        self.wait_until_only_the_lock_is_open(server)
        self.assertFalse(run.has_ended)

    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_nor_what_was_opened_before_the_limit_was_lowered(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        high = fcntl.fcntl(write, fcntl.F_DUPFD, 500)
        os.close(write)
        # As where close_range(2) is missing, or refused by a container's filter.
        without = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=close_range:error=ENOSYS")
        self.begin(*without, *self.arguments("run", "--", *SLEEPER), pass_fds=(high,),
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        os.close(high)
        self.wait_until_only_the_lock_is_open(self.wait_for_state("running")["server_pid"])

    def test_who_reads_the_output_of_ensure_is_not_kept_waiting(self):
        for pipeline in ('"$@" | cat', '"$@" 2>&1 | cat', 'echo "$("$@" 2>&1)"'):
            with self.subTest(pipeline):
                done = self.begin("sh", "-c", pipeline, "sh", *self.arguments("ensure", "--", *SLEEPER)).finish(20)
                self.assertExit(done, OK)
                self.assertSays(done, "serve started (PID %d)" % self.status()["pid"])
                self.genie_ok("stop")

    def test_nothing_of_genies_takes_the_place_of_a_closed_standard_stream(self):
        # What the server writes to its standard error must not end up in the lock file.
        noisy = ("sh", "-c", "echo noise; echo noise >&2; exec sleep 1000")
        for subcommand in ("start", "ensure", "run"):
            with self.subTest(subcommand):
                closed = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
                starter = self.begin(*closed, *self.arguments(subcommand, "--", *noisy))
                if subcommand != "run":
                    self.assertExit(starter.finish(), OK)
                self.wait_for_state("running")
                pid = wait_until(lambda: self.servers(SLEEPER), "the server has said what it has to say")[0]
                opened = descriptors(pid)
                for number in (0, 1, 2):
                    self.assertNotEqual(opened.get(number), str(self.dir / "serve.lock"))
                self.assertNotIn("noise", (self.dir / "serve.lock").read_text())
                self.genie_ok("stop")
                self.assertStopped()

    def test_signals_have_their_default_meaning(self):
        def odd_caller():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1})

        self.genie_ok("start", "--", *SLEEPER, preexec_fn=odd_caller)
        pid = self.status()["server_pid"]
        self.assertEqual((signal_mask(pid, "SigBlk"), signal_mask(pid, "SigIgn") - {32, 33}), (set(), set()))
        self.genie_ok("stop")
        self.assertStopped()

    def test_a_background_server_leaves_the_session_of_its_starter(self):
        start = self.spawn("start", "--", *SLEEPER, start_new_session=True)
        self.assertExit(start.finish(), OK)
        status = self.status()
        for pid in (status["pid"], status["server_pid"]):
            self.assertNotEqual(os.getsid(pid), start.pid)
            self.assertNotEqual(os.getpgid(pid), start.pid)
            self.assertEqual(process_stat(pid)[4], "0", "no controlling terminal")

    def test_the_servers_own_children_do_not_keep_the_directory_if_they_close_what_they_inherit(self):
        # As a daemon does: 0, 1, 2 elsewhere, everything else closed.
        child = server("--say", "child")
        parent_script = '"$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & wait'
        status = self.start("--", "bash", "-c", parent_script, "bash", *child)
        wait_until(lambda: self.servers(child), "the child runs")
        os.kill(status["server_pid"], signal.SIGKILL)
        self.wait_for_state("stopped")
        self.start()


class OddFiles(GenieTest):
    """Whatever stands where a file of genie belongs: a verdict or an error; never a hang, a signal, a followed link."""

    def assertRefusesToStart(self, path):
        for subcommand in ("start", "run", "ensure"):
            done = self.genie(subcommand, "--", "touch", self.root / "ran")
            self.assertExit(done, FAILURE)
            self.assertSays(done, path)
        self.assertFalse((self.root / "ran").exists())

    def place(self, kind, name):
        path = self.make_dir() / name
        if kind == "symlink":
            (self.root / "victim").write_text("precious")
            path.symlink_to(self.root / "victim")
        elif kind == "dangling symlink":
            path.symlink_to(self.root / "not there")
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
            (path / "content").write_text("precious")
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        return path

    KINDS = ("symlink", "dangling symlink", "fifo", "directory", "socket")

    def each(self, name):
        for kind in self.KINDS:
            with self.subTest("%s is a %s" % (name, kind)):
                self.dir = self.root / kind
                yield self.place(kind, name)
                if kind == "symlink":
                    self.assertEqual((self.root / "victim").read_text(), "precious")
                self.assertFalse((self.root / "not there").exists())

    def test_in_place_of_the_record(self):
        for path in self.each("serve.pid"):
            self.assertRefusesToStart(path)
            self.assertExit(self.genie("status"), UNKNOWN)
            self.assertNotEqual(self.genie("stop").code, TRY_AGAIN)

    def test_in_place_of_the_lock(self):
        for path in self.each("serve.lock"):
            self.assertRefusesToStart(path)
            self.assertExit(self.genie("status"), UNKNOWN)
            self.assertExit(self.genie("stop"), FAILURE)

    def test_in_place_of_the_sentinel(self):
        for path in self.each("serve.stopping.lock"):
            done = self.genie("ensure", "--", *SLEEPER)
            self.assertExit(done, FAILURE)
            self.assertSays(done, path)

    def test_in_place_of_the_port_file(self):
        for path in self.each("pgserve.port"):
            for words in (["port"], ["start", "--port", "4711", "--", *SLEEPER]):
                done = self.genie(*words)
                self.assertExit(done, FAILURE)
                self.assertSays(done, path)

    def test_in_place_of_the_log(self):
        for kind in ("fifo", "directory", "socket"):
            with self.subTest(kind):
                self.dir = self.root / kind
                path = self.place(kind, "serve.log")
                done = self.genie("start", "--", *SLEEPER)
                self.assertExit(done, FAILURE)
                self.assertSays(done, path)

    def test_a_second_name_of_the_lock_file_is_refused(self):
        victim = self.root / "victim"
        victim.write_text("precious")
        os.link(victim, self.make_dir() / "serve.lock")
        self.assertRefusesToStart(self.dir / "serve.lock")
        self.assertEqual(victim.read_text(), "precious")

    def test_files_without_permission_are_an_error_that_names_them(self):
        self.drop_privileges()
        for name in ("serve.pid", "serve.lock"):
            with self.subTest(name):
                self.dir = self.root / name
                path = self.record("", name)
                self.give_away(self.dir, path)
                path.chmod(0)
                done = self.genie("start", "--", *SLEEPER)
                self.assertExit(done, FAILURE)
                self.assertSays(done, "Permission denied", path)
                self.assertExit(self.genie("status"), UNKNOWN)

    def test_a_record_that_names_nobody_is_never_signalled_and_does_not_block(self):
        contents = [
            "0", "0:5", "-1", "-1:5", "1e9:5", "1.7:5", "1junk:5", "+1:5", " 1 : 5", "0x1:5", "1:", "1:-5", ":", ":5",
            "99999999999999999999", "99999999999999999999:1", "2147483648:1", "1:5:9", "\0", "\xff\xfe", "pid",
            b"7" * 1_000_000, b"\x80\0\n" * 300_000,
        ]
        for content in contents:
            with self.subTest(repr(content)[:40]):
                self.dir = self.root / ("state%d" % contents.index(content))
                self.record(content)
                self.assertExit(self.genie("status"), DEAD)
                stop = self.genie("stop")
                self.assertIn(stop.code, (OK, FAILURE), stop)
                self.record(content)
                self.start()
                self.genie_ok("stop")

    def test_a_record_of_process_1_ends_nothing(self):
        # Read as a process group it would be everybody.
        for content in ("1", "1:5"):
            self.record(content)
            before = start_time(1)
            self.assertExit(self.genie("status"), DEAD)
            self.genie("stop")
            self.assertEqual(start_time(1), before)
            self.record(content)
            self.start()
            self.genie_ok("stop")

    def test_noise_in_the_lock_file_does_not_block(self):
        for content in ("noise", b"\0" * 5000, b"\xff" * 1_000_000, "genie-lock 1\n", "genie-lock 99\nfuture\n"):
            with self.subTest(repr(content)[:40]):
                self.dir = self.root / str(hash(content))
                self.record(content, "serve.lock")
                self.assertExit(self.genie("status"), NOT_RUNNING)
                self.start()
                self.assertEqual(self.status()["state"], "running")
                self.genie_ok("stop")

    def test_a_directory_that_others_may_write_is_not_trusted_to_name_whom_to_kill(self):
        self.drop_privileges()
        status = self.start()
        self.dir.chmod(0o777)
        done = self.genie("stop")
        self.assertExit(done, FAILURE)
        self.assertSays(done, self.dir)
        self.assertTrue(is_alive(status["server_pid"]))
        self.dir.chmod(0o700)
        self.genie_ok("stop")
        self.assertFalse(is_alive(status["server_pid"]))


class Sentinel(GenieTest):
    """A stop sentinel as an older program writes it: expiry in ms since the epoch."""

    def sentinel(self, content):
        return self.record(content, "serve.stopping.lock")

    @staticmethod
    def in_ms(seconds):
        return round((time.time() + seconds) * 1000)

    def test_keeps_ensure_out_but_no_explicit_start(self):
        self.sentinel("%d\n" % self.in_ms(25))
        done = self.genie("ensure", "--", *SLEEPER)
        self.assertRefused(done, "serve is shutting down")
        self.assertExit(self.genie("run", "--", "true"), OK)
        self.start()

    def test_that_does_not_hold_is_removed(self):
        contents = ("", " \n", "soon", "\0\xff", "12:34", "-5", "99999999999999999999999", 0)
        for content in (*contents, self.in_ms(-1), self.in_ms(-86400)):
            with self.subTest(repr(content)):
                path = self.sentinel(str(content))
                self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
                self.assertFalse(path.exists())
                self.genie_ok("stop")

    def test_from_a_clock_that_was_stepped_back_does_not_block(self):
        for seconds in (3600, 86400, 365 * 86400):
            with self.subTest(seconds):
                self.sentinel(self.in_ms(seconds))
                self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
                self.genie_ok("stop")

    def test_of_another_boot_does_not_block_once_it_has_expired(self):
        # That boot's monotonic clock says nothing about ours.
        line = "stopper 1:5 11111111-2222-3333-4444-555555555555 4026531836 0:unknown %d %d 30000"
        for seconds in (-1, 86400):
            self.sentinel(("%d\n" + line + "\n") % (self.in_ms(seconds), self.in_ms(seconds), 10**12))
            self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
            self.genie_ok("stop")

    def test_of_its_own_name_only(self):
        self.record(self.in_ms(25), "other.stopping.lock")
        self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
        self.assertRefused(self.genie("ensure", "--name", "other", "--", *SLEEPER), "other is shutting down")


class Stay(GenieTest):
    """`stop --stay`: nothing starts on demand until somebody asks for a start."""

    def assertStays(self, setter, since):
        report = self.status()
        stopping = report["stopping"]
        self.assertTrue(stopping["stay"], report)
        self.assertEqual((stopping["set_by_pid"], stopping["set_by_uid"]), (setter, os.geteuid()))
        self.assertLessEqual(abs(stopping["since_ms"] - since * 1000), 60_000)
        done = self.genie("status")
        self.assertSays(done, "`stop --stay` by PID %d" % setter, "user %d" % os.geteuid(), "UTC")
        done = self.genie("ensure", "--", *SLEEPER)
        self.assertRefused(done, "serve is to stay stopped until an explicit start", "PID %d" % setter)
        self.assertEqual(self.servers(SLEEPER), [])
        return report

    def stay(self, *options):
        """Returns: its PID."""
        stop = self.spawn("stop", "--stay", *options)
        done = stop.finish()
        self.assertExit(done, OK)
        self.assertSays(done, "it stays stopped until an explicit start")
        return stop.pid

    def test_it_stays_stopped_until_an_explicit_start(self):
        for words in (("start", *SLEEPER), ("run", "true")):
            with self.subTest(words):
                self.start()
                since = time.time()
                setter = self.stay()
                self.assertStays(setter, since)
                self.genie_ok("stop")
                self.assertStays(setter, since)
                self.assertExit(self.genie(words[0], "--", *words[1:]), OK)
                self.assertFalse((self.dir / "serve.stopping.lock").exists())
                self.genie_ok("stop")
                self.assertExit(self.genie("ensure", "--", *SLEEPER), OK)
                self.genie_ok("stop")
                self.assertStopped()

    def test_what_never_ran_stays_stopped_too(self):
        since = time.time()
        setter = self.stay()
        self.assertEqual(self.dir.stat().st_mode & 0o777, 0o700)
        report = self.assertStays(setter, since)
        self.assertEqual((report["state"], report["exit"]), ("stopped", NOT_RUNNING))
        self.assertEqual(self.genie("status", "-q").code, NOT_RUNNING)
        self.start()
        self.assertFalse(self.status()["stopping"]["stay"])

    def test_who_wanted_it_first_is_told(self):
        since = time.time()
        setter = self.stay()
        self.stay()
        self.assertStays(setter, since)

    def test_an_intent_that_cannot_be_recorded_is_a_failure(self):
        self.make_dir()
        (self.dir / "serve.stopping.lock").mkdir()
        done = self.genie("stop", "--stay")
        self.assertExit(done, FAILURE)
        self.assertSays(done, "that it is to stay stopped is not recorded")
        self.assertExit(self.genie("stop", "--stay", "--dir", "/proc/nowhere"), FAILURE)

    def test_older_readers_find_a_time_that_never_comes(self):
        self.stay()
        first = (self.dir / "serve.stopping.lock").read_text().split("\n")[0]
        self.assertGreater(int(first), (time.time() + 100 * 365 * 86400) * 1000)
        self.assertEqual(int(float(first)), int(first))


class Cgroup(GenieTest):
    """`stop --cgroup`: all that is left in the server's cgroup ends with it."""

    def setUp(self):
        super().setUp()
        self.cgroup = None
        for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            if os.path.exists(place + "/cgroup.procs"):
                self.cgroup = pathlib.Path(place, "genie-test-%d" % os.getpid())
                break
        else:
            self.skipTest("no unified cgroup hierarchy is mounted at its usual places")
        try:
            self.cgroup.mkdir()
        except OSError as error:
            self.skipTest("cgroups cannot be made here: %s" % error)
        self.addCleanup(self.remove)
        if not (self.cgroup / "cgroup.kill").exists():
            self.skipTest("this kernel has no cgroup.kill (Linux 5.14)")

    def remove(self):
        def is_gone():
            try:
                self.cgroup.rmdir()
            except OSError:
                return False
            return True

        if (self.cgroup / "cgroup.kill").exists():
            (self.cgroup / "cgroup.kill").write_text("1")
        wait_until(is_gone, "the cgroup is empty")

    def start_inside(self, *command):
        """As a service manager does: whoever starts the server is the first in its cgroup."""
        enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        done = self.begin("sh", "-c", enter, self.cgroup, *self.arguments("start", "--", *command)).finish()
        self.assertExit(done, OK)
        return self.status()

    def test_what_left_group_and_lock_behind_is_ended(self):
        # Neither the group nor the lock tells of a daemon that closes what it inherited.
        daemon = ["sleep", "3000"]
        script = 'setsid sh -c \'for fd in $(ls /proc/self/fd); do eval "exec $fd>&-"; done; exec "$@"\' sh "$@" & exec sleep 1000'
        status = self.start_inside("sh", "-c", script, "sh", *daemon)
        wait_until(lambda: self.servers(daemon), "the daemon runs")
        done = self.genie_ok("stop", "--cgroup")
        self.assertFalse(is_alive(status["server_pid"]))
        self.assertEqual(self.servers(daemon), [])
        self.assertEqual((self.cgroup / "cgroup.procs").read_text(), "")
        self.assertStopped()

    def test_what_ignores_the_request_is_killed(self):
        stubborn = server("--ignore", "SIGTERM", "--say", "stubborn")
        self.start_inside("sh", "-c", 'setsid "$@" & exec sleep 1000', "sh", *stubborn)
        wait_until(lambda: "stubborn" in self.log(), "the worker runs")
        done = self.genie_ok("stop", "--cgroup", "--grace", "500ms")
        self.assertSays(done, "with what was left in its cgroup")
        self.assertEqual(self.servers(stubborn), [])
        self.assertStopped()

    def test_a_cgroup_that_it_shares_is_refused(self):
        status = self.start()
        done = self.genie("stop", "--cgroup")
        self.assertRefused(done, "nobody was signalled", "is not its own")
        self.assertTrue(is_alive(status["server_pid"]))
        self.genie_ok("stop")
        with self.subTest("somebody was there before"):
            enter = 'echo $$ >"$0/cgroup.procs" && echo here && exec sleep 1000'
            older = self.begin("sh", "-c", enter, self.cgroup)
            wait_until(lambda: (self.cgroup / "cgroup.procs").read_text(), "it is in the cgroup")
            tick = os.sysconf("SC_CLK_TCK")
            wait_until(
                lambda: time.clock_gettime(time.CLOCK_BOOTTIME) * tick > start_time(older.pid) + 1,
                "whoever starts now starts later",
            )
            status = self.start_inside(*SLEEPER)
            self.assertRefused(self.genie("stop", "--cgroup"), "who were there before")
            self.assertFalse(older.has_ended)
            self.assertTrue(is_alive(status["server_pid"]))


if __name__ == "__main__":
    unittest.main()
