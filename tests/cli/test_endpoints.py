"""Endpoints: what a server publishes under names, who is told of them, and what becomes of a dead server's sockets."""
import json
import os
import unittest

from _support import FAILURE, NOT_RUNNING, OK, SLEEPER, USAGE, GenieTest, kill_at_once, server


class Endpoints(GenieTest):
    def serve(self, *options):
        """A server on the socket `state/serve.sock`, published under the name `admin`."""
        path = self.dir / "serve.sock"
        return self.start("--ready", "unix:%s" % path, "--endpoint", "admin=unix:serve.sock", *options, "--",
                          *server("--bind", path))

    def json(self, *arguments, code=OK):
        done = self.genie("endpoint", "--json", *arguments)
        self.assertExit(done, code)
        return json.loads(done.out)

    def test_endpoints_of_every_kind_are_published_once_the_server_is_ready(self):
        gate = self.gate()
        path = self.make_dir() / "serve.sock"
        starting = self.spawn("start", "--ready", "unix:%s" % path, "--port", "4711", "--endpoint", "http=tcp:8080",
                              "--endpoint", "admin=unix:serve.sock", "--endpoint", "url=text:http://localhost:8080/?a=b c",
                              "--", *server("--gate", gate, "--unix", path))
        self.wait_for_state("starting")
        self.assertExit(self.genie("endpoint", "http"), NOT_RUNNING)
        self.assertEqual(self.status()["endpoints"]["standing"], "absent")
        self.open_gate(gate)
        done = starting.finish()
        self.assertExit(done, OK)
        self.assertEqual(self.genie_ok("port").out, "4711\n")
        self.assertEqual(self.genie_ok("endpoint", "http").out, "8080\n")
        self.assertEqual(self.genie_ok("endpoint", "admin").out, "%s\n" % path)
        self.assertEqual(self.genie_ok("endpoint", "url").out, "http://localhost:8080/?a=b c\n")
        self.assertEqual(self.genie_ok("endpoint").out,
                         "http tcp 8080\nadmin unix %s\nurl text http://localhost:8080/?a=b c\n" % path)
        expected = {
            "standing": "live",
            "generation": 1,
            "pid": done.pid,
            "endpoints": {
                "http": {"kind": "tcp", "port": 8080},
                "admin": {"kind": "unix", "path": str(path)},
                "url": {"kind": "text", "text": "http://localhost:8080/?a=b c"},
            },
        }
        self.assertEqual(self.json(), expected)
        self.assertEqual(self.status()["endpoints"], expected)

    def test_who_asks_for_what_is_not_published_is_told_so(self):
        done = self.genie("endpoint", "http")
        self.assertExit(done, NOT_RUNNING)
        self.assertSays(done, "serve has no endpoint http (endpoints: absent, generation 0)")
        self.start("--endpoint", "http=tcp:8080")
        done = self.genie("endpoint", "admin")
        self.assertExit(done, NOT_RUNNING)
        self.assertSays(done, "no endpoint admin (endpoints: live, generation 1)")
        self.json("admin", code=NOT_RUNNING)
        self.genie_ok("stop")
        self.assertExit(self.genie("endpoint"), NOT_RUNNING)
        self.assertFalse((self.dir / "serve.endpoints").exists())

    def test_what_a_dead_server_has_published_is_stale(self):
        self.leave_stale(self.serve("--endpoint", "http=tcp:8080"))
        done = self.genie("endpoint", "http")
        self.assertExit(done, NOT_RUNNING)
        self.assertSays(done, "endpoints: stale, generation 1")
        self.assertEqual(self.json(code=NOT_RUNNING)["standing"], "stale")

    def test_a_killed_servers_socket_does_not_stand_in_the_way_of_the_next_one(self):
        for end in (self.leave_stale, lambda _: self.genie_ok("stop"), lambda status: kill_at_once(status["server_pid"])):
            status = self.serve()
            self.assertTrue((self.dir / "serve.sock").exists())
            end(status)
            self.wait_for_end_of(status["pid"])
            self.assertTrue((self.dir / "serve.sock").exists(), "its server removes nothing")
            self.assertExit(self.genie("endpoint", "admin"), NOT_RUNNING)
        self.serve()
        self.genie_ok("endpoint", "admin")

    def test_a_strangers_socket_at_that_path_is_left_alone(self):
        status = self.serve()
        self.leave_stale(status)
        (self.dir / "serve.sock").unlink()
        stranger = self.begin(*server("--bind", self.dir / "serve.sock", "--say", "bound"))
        self.assertEqual(stranger.process.stdout.readline(), "bound\n")
        self.start()
        self.assertTrue((self.dir / "serve.sock").exists())

    def test_who_waits_for_an_endpoint_gets_it_from_the_next_server(self):
        waiting = self.spawn("endpoint", "http", "--wait", "60s")
        self.start("--endpoint", "http=tcp:8080")
        done = waiting.finish()
        self.assertExit(done, OK)
        self.assertEqual(done.out, "8080\n")
        self.assertEqual(self.genie_ok("endpoint", "http", "--wait", "60s").out, "8080\n")
        later = self.spawn("endpoint", "http", "--wait", "60s", "--after", "1")
        self.genie_ok("stop")
        self.start("--endpoint", "http=tcp:8081")
        done = later.finish()
        self.assertExit(done, OK)
        self.assertEqual(done.out, "8081\n")
        self.assertExit(self.genie("endpoint", "http", "--wait", "1ms", "--after", "2"), NOT_RUNNING)

    def test_what_cannot_be_published_starts_nothing(self):
        long = str(self.dir) + "/" + "x" * (107 - len(str(self.dir)))
        rows = (
            ("Http=tcp:80", "cannot use Http: not a usable name of an endpoint (at most 31)"),
            ("http=tcp:0", "cannot use http: 0 is not a port"),
            ("s=unix:" + long, "too long for a Unix socket on this platform (at most 107)"),
            ("s=unix:", "cannot use s: an endpoint's text has control characters, or its path is empty"),
            ("t=text:" + 256 * "x", "an endpoint's text is too long (at most 255)"),
            ("t=text:a\nb", "control characters"),
        )
        for spelling, words in rows:
            for subcommand in ("run", "start", "ensure", "restart", "unit"):
                with self.subTest(spelling=spelling, subcommand=subcommand):
                    done = self.genie(subcommand, "--endpoint", spelling, "--", *SLEEPER)
                    self.assertExit(done, USAGE)
                    self.assertSays(done, words)
        done = self.genie("start", "--endpoint", "a=tcp:1", "--endpoint", "a=tcp:2", "--", *SLEEPER)
        self.assertExit(done, USAGE)
        self.assertSays(done, "cannot use a: two endpoints have this name")
        many = [word for number in range(9) for word in ("--endpoint", "e%d=tcp:1" % number)]
        self.assertSays(self.genie("start", *many, "--", *SLEEPER), "more endpoints than one owner can publish (at most 8)")
        for spelling in ("", "http", "http=", "http=80", "http=tcp:", "http=tcp:x", "http=tcp:65536", "http=udp:80"):
            with self.subTest(spelling=spelling):
                self.assertExit(self.genie("start", "--endpoint", spelling, "--", *SLEEPER), USAGE)
        self.assertEqual(self.processes(), [])
        self.assertFalse(self.dir.exists())

    def test_a_socket_that_the_server_has_not_bound_ends_it(self):
        done = self.genie("start", "--endpoint", "admin=unix:serve.sock", "--", *SLEEPER)
        self.assertExit(done, FAILURE)
        self.assertSays(done, "cannot stat %s: No such file or directory" % (self.dir / "serve.sock"))
        self.assertEqual(self.servers(SLEEPER), [])


if __name__ == "__main__":
    unittest.main()
