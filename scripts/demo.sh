#!/usr/bin/env bash
# Shows what genie is for, on a fresh Debian or Ubuntu machine: installs what is missing, builds the command, and guards
# a real PostgreSQL with it. Where that cannot be installed, the TCP server of examples/ takes its place.
#
#   scripts/demo.sh
#
# Ends with a non-zero status as soon as something is not as it should be, and leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
exec </dev/null
umask 022  # what is built must be usable by an unprivileged user

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }

# --- what is needed --------------------------------------------------------------------------------------------------

say "Install what is missing"
scripts/install-deps.sh build
server=PostgreSQL
scripts/install-deps.sh postgres || server="the TCP server of examples/"
bin=$(find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | sort -V | tail -n 1 || true)
bin=${bin%/*}
if [ -z "$bin" ]; then server="the TCP server of examples/"; fi

say "Build the command"
PATH=$root/build/venv/bin:$PATH  # where install-deps.sh puts a newer CMake, if the system's is too old
if [ -z "${CXX:-}" ] && [ "$(g++ -dumpversion | cut -d. -f1)" -lt 12 ]; then export CXX=g++-12; fi
options=(-DGENIE_WERROR=OFF)  # warnings that only a newer compiler knows must not get in the way here
if [ "$server" != PostgreSQL ]; then options+=(-DGENIE_BUILD_EXAMPLES=ON); fi
cmake --preset release "${options[@]}" >/dev/null
cmake --build --preset release --parallel "$(nproc)"

# --- a place to work, and how a step is shown ------------------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/genie-demo-XXXXXX")
mkdir "$work/bin"
cp build/release/bin/genie "$work/bin/"
cd "$work"
path=$work/bin:${bin:+$bin:}$PATH

# PostgreSQL refuses to run as root, and genie needs no privileges.
as_user=(env PATH="$path" GENIE_HOME="$work/state")
if [ "$(id -u)" = 0 ]; then
  user=$(id -un postgres 2>/dev/null || echo nobody)
  chown "$user" "$work"
  as_user=(runuser -u "$user" -- "${as_user[@]}")
fi

clean_up() {
  "${as_user[@]}" genie stop --grace 5s >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

show() { printf '\n$ %s\n' "$*"; }
quietly() { "${as_user[@]}" "$@"; }
step() { # COMMAND...: shows it, runs it, and insists on its success
  show "$@"
  quietly "$@"
}
inspect() { # shows the verdict, which may be any, and its grounds
  show genie status --explain
  quietly genie status --explain || echo "(exit status $?)"
}
ends_with() { # STATUS COMMAND...: shows the command, runs it, and insists on that exit status
  local wanted=$1 status=0
  shift
  show "$@"
  quietly "$@" || status=$?
  echo "(exit status $status)"
  [ "$status" = "$wanted" ] || fail "this should have ended with exit status $wanted"
}
refused() { ends_with 75 "$@"; } # try again later
send() { # SIGNAL PID
  show kill "$@"
  kill "$@"
}
field() { quietly genie status --json | sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\).*/\1/p" | head -n 1; }
until_state() { # STATE: waits for it, ten seconds at most
  local tries=0
  until [ "$(field state)" = "$1" ]; do
    tries=$((tries + 1))
    [ $tries -le 100 ] || fail "the state is $(field state), not $1"
    sleep 0.1
  done
}

# --- the server ------------------------------------------------------------------------------------------------------

if [ "$server" = PostgreSQL ]; then
  say "A database for an unprivileged user"
  show initdb -D "$work/data"
  quietly initdb -D "$work/data" -U demo -A trust --no-sync >initdb.log || { cat initdb.log; fail "initdb failed"; }
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # PostgreSQL tells systemd, and whoever listens in its place, when it is ready. SIGINT is its fast shutdown.
  ensure=(genie ensure --port "$port" --ready notify --stop-signal INT
    -- postgres -D "$work/data" -p "$port" -h 127.0.0.1 -k "$work")
  ask() {
    step genie port
    step psql -X -h 127.0.0.1 -p "$(quietly genie port)" -U demo -Atc 'select version()' postgres
  }
else
  say "A server of our own, which publishes its port in a directory of its own"
  cp "$root/build/release/examples/tcp_server" "$work/bin/"
  ensure=(genie ensure -- tcp_server "$work/server")
  ask() {
    local tries=0
    until quietly genie port --dir "$work/server" >/dev/null 2>&1; do
      tries=$((tries + 1))
      [ $tries -le 100 ] || fail "the server does not publish its port"
      sleep 0.1
    done
    step genie port --dir "$work/server"
    step bash -c "cat </dev/tcp/127.0.0.1/$(quietly genie port --dir "$work/server")"
  }
fi

say "Eight callers need $server at once: one starts it, all get the same PID"
show "${ensure[*]}   # eight times, in the background"
for caller in 1 2 3 4 5 6 7 8; do
  quietly "${ensure[@]}" >"answer.$caller" 2>&1 || echo "exit status $?" >>"answer.$caller" &
done
wait
cat answer.*
answers=$(grep -hoE 'PID [0-9]+' answer.* | sort | uniq -c | sed 's/^ *//')
echo "-> $answers"
[ "$answers" = "8 PID $(field pid)" ] || fail "there should be eight equal answers"

inspect
ask

say "Its supervisor is killed, and the server itself hangs (we suspend it): still nobody starts a second one"
owner=$(field pid)
server_pid=$(field server_pid)
send -STOP "$server_pid"
send -9 "$owner"
until_state orphaned
inspect
refused "${ensure[@]}"

say "It goes on, finds that it was told to end when its supervisor died, and does"
send -CONT "$server_pid"
until_state stale
inspect

say "The next caller takes over"
step "${ensure[@]}"
[ "$(field pid)" != "$owner" ] || fail "the owner should be another one"
ask

say "While it is being stopped, nobody brings it back (we suspend it, so that there is time to look)"
server_pid=$(field server_pid)
send -STOP "$server_pid"
show "genie stop --grace 60s &"
quietly genie stop --grace 60s &
stop=$!
until_state stopping
refused "${ensure[@]}"
send -CONT "$server_pid"
wait "$stop" || fail "stop failed"

until_state stopped
inspect

say "A boot that tells what it does, and then fails: whoever waits is told at once, and so is who asks later"
ends_with 1 genie start --name app --ready notify -- \
  sh -c 'genie boot "load the index" 30 100; echo "app: the index is broken"; exit 3'
ends_with 3 genie status --name app

say "Shown with $server: 8 callers and one start, a lost supervisor taken over, a stop that nobody undoes, a failed boot."
