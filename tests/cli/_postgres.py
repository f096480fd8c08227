"""What tests with a real PostgreSQL share: a cluster of their own, and the options by which genie guards a server on it.

Skipped where PostgreSQL is not installed; with GENIE_REQUIRE_POSTGRES=1 that is a failure.
"""
import glob
import os
import re
import shutil
import tempfile
import unittest

from _support import OK, TRY_AGAIN, GenieTest, free_port, wait_until


def programs():
    """The folder of the newest PostgreSQL server on this machine, or None."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb") + glob.glob("/usr/pgsql-*/bin/initdb")
    found.sort(key=lambda path: [int(number) for number in re.findall(r"\d+", path)])
    in_path = shutil.which("initdb")
    return os.path.dirname(found[-1] if found else in_path) if found or in_path else None


BIN = programs()


class PostgresTest(GenieTest):
    cluster = None

    @classmethod
    def setUpClass(cls):
        if BIN is None:
            message = "PostgreSQL is not installed: no initdb in /usr/lib/postgresql/*/bin or in PATH"
            if os.environ.get("GENIE_REQUIRE_POSTGRES") == "1":
                raise AssertionError(message)
            raise unittest.SkipTest(message)

    def setUp(self):
        super().setUp()
        self.drop_privileges("postgres")  # it refuses to run as root
        self.port = free_port()
        self.data = self.root / "data"
        # initdb is slow, so its result is copied.
        self.assertExit(self.begin("cp", "-a", self.template(), self.data).finish(), OK)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.root,
            "fsync": "off",
            "shared_buffers": "16MB",
        }
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines("%s = '%s'\n" % setting for setting in settings.items())
        self.postgres = (os.path.join(BIN, "postgres"), "-D", str(self.data))

    def template(self):
        """A fresh cluster, the same for all tests."""
        cls = type(self)
        if cls.cluster is None:
            folder = tempfile.mkdtemp(prefix="genie-test-")
            self.addClassCleanup(shutil.rmtree, folder)
            self.give_away(folder)
            cluster = os.path.join(folder, "data")
            self.assertExit(self.begin(*self.initdb(), "-D", cluster).finish(60), OK)
            cls.knows_systemd = "--with-systemd" in self.configuration()
            cls.cluster = cluster
        return cls.cluster

    @staticmethod
    def initdb():
        return os.path.join(BIN, "initdb"), "-U", "genie", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"

    def configuration(self):
        program = os.path.join(BIN, "pg_config")
        return self.begin(program, "--configure").finish().out if os.access(program, os.X_OK) else ""

    def options(self, ready=None):
        """PostgreSQL answers connections before it has recovered, if only to say so; to systemd it tells the truth."""
        self.ready = ready or ("notify" if self.knows_systemd else "tcp:%d" % self.port)
        # SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait for its clients.
        return (
            "--ready", self.ready, "--ready-timeout", "60s", "--port", self.port, "--stop-signal", "INT",
            "--", *self.postgres,
        )

    def ensure(self):
        return self.genie("ensure", *self.options())

    def ensure_sooner_or_later(self):
        """Who finds the remains of another still busy is told to try again; PostgreSQL may have to wait for its own."""

        def ensured():
            done = self.ensure()
            if done.code != OK:
                still_there = done.code == TRY_AGAIN or "still in use" in done.text or "lock file" in done.text
                self.assertTrue(still_there, done)
            return done if done.code == OK else None

        return wait_until(ensured, "PostgreSQL runs again")

    def psql(self, query):
        """Through the port that genie tells."""
        port = self.genie_ok("port").out.strip()

        def answered():
            done = self.client(port, query).finish()
            if "FATAL:  the database system is" in done.err and self.ready != "notify":
                return None
            self.assertExit(done, OK)
            return done

        return wait_until(answered, "PostgreSQL accepts connections").out.strip()

    def client(self, port, query):
        psql = os.path.join(BIN, "psql")
        return self.begin(psql, "-X", "-At", "-h", "127.0.0.1", "-p", port, "-U", "genie", "-c", query, "postgres")

    def postmasters(self):
        return self.servers(self.postgres)

    def assertOneServer(self, status):
        """genie, the kernel and PostgreSQL agree which one it is."""
        self.assertEqual(status["state"], "running")
        self.assertEqual(self.psql("select 40 + 2"), "42")
        # A worker looks like its postmaster until it has set its title.
        wait_until(lambda: self.postmasters() == [status["server_pid"]], "one postmaster")
        self.assertEqual(int((self.data / "postmaster.pid").read_text().split()[0]), status["server_pid"])
