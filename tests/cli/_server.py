"""A server for the tests: boots as the options say, in this order, and lives until a signal ends it.

    --say TEXT       prints a line
    --gate FIFO      waits there until the test opens it
    --slow SECONDS   takes that long to boot
    --tcp PORT       listens on the loopback address
    --unix PATH      listens on that socket, whatever stood there
    --bind PATH      the same, but fails where something stands there
    --full-tcp PORT  listens on the loopback address, accepts nobody, and has no room for one more who wants to connect
    --full-unix PATH the same on a socket, which has come there by then
    --notify TEXT    tells $NOTIFY_SOCKET, as sd_notify(3) does
    --fail STATUS    ends with that exit status
    --ignore SIGNAL  goes on when it receives that signal
    --end-gate FIFO  waits there before it ends
"""
import os
import signal
import socket
import sys
import time

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
# A signal that comes while we boot waits until we look.
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def pass_gate(path):
    with open(path, "rb") as gate:
        gate.read()


def notify(text):
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.sendto(text.encode(), address)


def fill_queue(listener):
    """Connects to it until nobody can any more."""
    while True:
        clients.append(socket.socket(listener.family))
        clients[-1].settimeout(0.1)
        try:
            clients[-1].connect(listener.getsockname())
        except OSError:
            return


listeners = []
clients = []
ignored = set()
end_gate = None
options = sys.argv[1:]
for option, value in zip(options[::2], options[1::2]):
    if option == "--say":
        print(value, flush=True)
    elif option == "--gate":
        pass_gate(value)
    elif option == "--slow":
        time.sleep(float(value))
    elif option == "--tcp":
        listeners.append(socket.create_server(("127.0.0.1", int(value)), backlog=128))
    elif option in ("--unix", "--bind"):
        if option == "--unix" and os.path.exists(value):
            os.unlink(value)
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(value)
        listeners[-1].listen(128)
    elif option == "--full-tcp":
        listeners.append(socket.create_server(("127.0.0.1", int(value)), backlog=0))
        fill_queue(listeners[-1])
    elif option == "--full-unix":
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(value + ".new")
        listeners[-1].listen(0)
        fill_queue(listeners[-1])
        os.rename(value + ".new", value)
    elif option == "--notify":
        notify(value)
    elif option == "--fail":
        sys.exit(int(value))
    elif option == "--ignore":
        ignored.add(signal.Signals[value])
    elif option == "--end-gate":
        end_gate = value
    else:
        sys.exit("unknown option " + option)

while True:
    received = signal.Signals(signal.sigwait(SIGNALS))
    print("received", received.name, flush=True)
    if received not in ignored:
        break
if end_gate:
    pass_gate(end_gate)
