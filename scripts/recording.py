#!/usr/bin/env python3
"""Records the command at work with a real PostgreSQL, as two pictures for the README.

    scripts/recording.py GENIE            runs the story, writes docs/images/session.svg (moving, 40 seconds) and
                                          docs/images/session-still.svg (all of it at once)
    scripts/recording.py GENIE --check    runs the story, and compares what it says with the still: numbers may differ

Every line of the pictures was printed by a shell in a terminal of its own. Exits with 77 where there is no PostgreSQL.
"""

import argparse
import difflib
import html
import os
import pty
import pwd
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/images"
COLUMNS, ROWS = 100, 22
SECONDS = 40
# What is typed. `{port}` is a free one. A tuple's second part is a condition that must hold before the next one is typed.
STORY = [
    "# Starts PostgreSQL unless it runs already, and waits until it is ready",
    "up() {{ genie ensure --ready tcp:{port} --stop-signal INT -- postgres -D ~/data -p {port}; }}",
    "# Four clients need it at once: one of them starts it, all get the same one",
    "for client in 1 2 3 4; do up & done | sort",
    "genie status --explain",
    'psql -h 127.0.0.1 -p "$(genie port)" -Atc "select 6 * 7" postgres',
    "# Its supervisor is killed: the kernel tells PostgreSQL to stop, and then the lock is free",
    ('kill -9 "$(cut -d: -f1 ~/.genie/serve.pid)"', "stale"),
    "genie status --explain",
    "# Nothing has to be cleaned up: the next client takes over",
    "up",
    "genie stop",
    "genie status",
]


class Terminal:
    """A shell in a pseudo-terminal."""

    PROMPT = "\x01ready\x02"

    def __init__(self, environment, directory, user):
        command = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
        self.process_id, self.file = pty.fork()
        if self.process_id == 0:
            if user is not None:
                os.setgid(user.pw_gid)
                os.setgroups([])
                os.setuid(user.pw_uid)
            os.chdir(directory)
            os.execvpe(command[0], command, environment)
        self.run(f"stty -echo cols {COLUMNS} rows 50; PS1=; PS2=; PROMPT_COMMAND='printf \"\\001ready\\002\"'; set +m")

    def run(self, command):
        """Returns: what it printed, and after how many seconds the prompt was back."""
        started = time.monotonic()
        os.write(self.file, command.encode() + b"\n")
        text = ""
        while not text.endswith(self.PROMPT):
            if not select.select([self.file], [], [], 60)[0]:
                sys.exit(f"recording: '{command}' does not come to an end: {text}")
            text += os.read(self.file, 65536).decode()
        return text[: -len(self.PROMPT)].replace("\r\n", "\n"), time.monotonic() - started

    def close(self):
        os.write(self.file, b"exit\n")
        os.waitpid(self.process_id, 0)
        os.close(self.file)


def find_postgres():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if not found:
        print("there is no PostgreSQL here")
        sys.exit(77)
    return found[-1].parent


def free_port():
    for wanted in (5433, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", wanted))
                return probe.getsockname()[1]
            except OSError:
                pass
    sys.exit("recording: there is no free port")


def record(genie):
    """Returns: [(typed or printed, line, seconds until it is there)]."""
    postgres = find_postgres()
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    home = Path(tempfile.mkdtemp(prefix="genie-recording-"))
    lines = []
    try:
        (home / "bin").mkdir()
        shutil.copy(genie, home / "bin/genie")
        home.chmod(0o755)
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)
        environment = {"HOME": str(home), "PATH": f"{home}/bin:{postgres}:/usr/bin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        environment["PGUSER"] = "postgres"
        terminal = Terminal(environment, home, user)
        try:
            said, _ = terminal.run("initdb -D ~/data -U postgres -A trust --no-sync >initdb.log 2>&1; echo $?")
            if said != "0\n":
                sys.exit(f"recording: initdb failed: {(home / 'initdb.log').read_text()}")
            terminal.run("echo \"unix_socket_directories = ''\" >>~/data/postgresql.conf")
            port = free_port()
            for step in STORY:
                command, state = step if isinstance(step, tuple) else (step, None)
                command = command.format(port=port)
                said, took = terminal.run(command)
                lines.append(("typed", command, 0.4 if command.startswith("#") else 0.035 * len(command)))
                lines += [("printed", line, took if at == 0 else 0) for at, line in enumerate(said.splitlines())]
                until = time.monotonic() + 20
                while state and f'"state": "{state}"' not in terminal.run("genie status --json")[0]:
                    if time.monotonic() > until:
                        sys.exit(f"recording: the state is never '{state}'")
                    time.sleep(0.05)
        finally:
            terminal.run("genie stop >/dev/null 2>&1")
            terminal.close()
    finally:
        shutil.rmtree(home)
    for _, line, _ in lines:
        if re.search(r"[\x00-\x1f\x7f]", line) or len(line) > COLUMNS - 2:
            sys.exit(f"recording: this does not fit the picture: {line!r}")
    return lines


# --- the pictures ----------------------------------------------------------------------------------------------------

FONT, ADVANCE, HEIGHT, MARGIN, BAR = 14, 8.43, 20, 16, 34
STYLE = (
    "text{font:%dpx ui-monospace,'SF Mono','Cascadia Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}"
    ".prompt{fill:#7ec98f}.typed{fill:#f3f4f6}.note{fill:#8fb8de;font-style:italic}.printed{fill:#b9c0cc}" % FONT
)


def line_of(kind, text, row):
    y = BAR + MARGIN + row * HEIGHT + FONT
    if kind == "printed":
        return text_of("printed", text, 0, y)
    return text_of("prompt", "$", 0, y) + text_of("note" if text.startswith("#") else "typed", text, 2, y)


def text_of(style, text, column, y):
    x = MARGIN + column * ADVANCE
    indent = len(text) - len(text.lstrip(" "))
    x += indent * ADVANCE
    text = text.strip(" ")
    # The width is prescribed, because fonts differ.
    return f'<text class="{style}" x="{x:.1f}" y="{y}" textLength="{len(text) * ADVANCE:.1f}" xml:space="preserve">{html.escape(text)}</text>'


def frame(rows, style, content):
    width, height = round(2 * MARGIN + COLUMNS * ADVANCE), BAR + 2 * MARGIN + rows * HEIGHT
    buttons = "".join(f'<circle cx="{20 + 20 * at}" cy="{BAR / 2:.0f}" r="6" fill="{fill}"/>' for at, fill in enumerate(["#e0695f", "#e2b455", "#66b36a"]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="A terminal: genie starts PostgreSQL, finds it, survives a kill -9 of its supervisor, and stops it">\n'
        f"<style>{STYLE}{style}</style>\n"
        f'<rect width="{width}" height="{height}" rx="9" fill="#1b222c"/><rect width="{width}" height="{BAR}" rx="9" fill="#2a3441"/>'
        f'<rect y="{BAR - 9}" width="{width}" height="9" fill="#2a3441"/>{buttons}\n{content}\n</svg>\n'
    )


def still(lines):
    return frame(len(lines), "", "\n".join(line_of(kind, text, row) for row, (kind, text, _) in enumerate(lines)))


def moving(lines):
    """Each line appears when it was typed or printed, stretched to the whole time; what is above scrolls away."""
    spans = [0.35 + min(took, 1.0) if kind == "printed" else took + (0.7 if at else 0) for at, (kind, _, took) in enumerate(lines)]
    rest = 5.0  # at the end, before it begins again
    scale = (SECONDS - rest) / sum(spans)
    style, content, now = [], [], 0.0
    scroll = ["0%{transform:translateY(0)}"]
    for row, ((kind, text, _), span) in enumerate(zip(lines, spans)):
        now += span * scale
        at = 100 * now / SECONDS
        style.append(f"@keyframes l{row}{{0%,{at:.2f}%{{opacity:0}}{at + 0.01:.2f}%,100%{{opacity:1}}}}")
        content.append(f'<g style="animation-name:l{row}">{line_of(kind, text, row)}</g>')
        if row >= ROWS:
            scroll.append(f"{at:.2f}%{{transform:translateY(-{(row - ROWS) * HEIGHT}px)}}")
            scroll.append(f"{at + 0.01:.2f}%{{transform:translateY(-{(row - ROWS + 1) * HEIGHT}px)}}")
    end = max(0, len(lines) - ROWS) * HEIGHT
    scroll.append(f"100%{{transform:translateY(-{end}px)}}")
    style.append(f"@keyframes scroll{{{''.join(scroll)}}}")
    style.append(f"g[style]{{animation-duration:{SECONDS}s;animation-iteration-count:infinite;animation-timing-function:step-end}}")
    # Who wants no movement sees how it ends.
    style.append(f"@media(prefers-reduced-motion:reduce){{g[style]{{animation:none!important}}#all{{transform:translateY(-{end}px)}}}}")
    width, height = round(2 * MARGIN + COLUMNS * ADVANCE), 2 * MARGIN + ROWS * HEIGHT
    window = f'<clipPath id="window"><rect y="{BAR + MARGIN - 1}" width="{width}" height="{height - MARGIN + 1}"/></clipPath>'
    body = "\n".join(content)
    return frame(ROWS, "".join(style), f'{window}<g clip-path="url(#window)"><g id="all" style="animation-name:scroll">\n{body}\n</g></g>')


def words_of(picture):
    """The lines of a picture, with any number in place of each number. Who of several clients comes when it is chance."""
    rows = {}
    for style, y, text in re.findall(r'<text class="(\w+)" x="[^"]*" y="(\d+)"[^>]*>([^<]*)</text>', picture):
        rows.setdefault(int(y), []).append(html.unescape(text))
    lines = [re.sub(r"\d+", "N", " ".join(parts)) for _, parts in sorted(rows.items())]
    return [line.replace("serve already running", "serve started") for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("genie", type=Path, help="the command to record")
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args()

    lines = record(options.genie.resolve())
    pictures = {"session-still.svg": still(lines), "session.svg": moving(lines)}
    if options.check:
        now = words_of(pictures["session-still.svg"])
        stale = False
        for name in pictures:
            then = words_of((IMAGES / name).read_text(encoding="utf-8"))
            difference = list(difflib.unified_diff(then, now, f"docs/images/{name}", "now", lineterm=""))
            stale = stale or bool(difference)
            print("\n".join(difference), end="\n" if difference else "")
        if stale:
            print("The pictures are stale; make new ones with scripts/recording.py, and look at them.")
        sys.exit(1 if stale else 0)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pictures.items():
        (IMAGES / name).write_text(text, encoding="utf-8")
    subprocess.run(["ls", "-l", *(IMAGES / name for name in pictures)], check=False)


if __name__ == "__main__":
    main()
