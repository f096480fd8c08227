#!/usr/bin/env python3
"""What a client pays that asks by a command whether the server runs: microseconds from its start until its end is known.

    python3 bench/commands.py [ROUNDS]      after: cmake --build --preset release

The floor is a C program, linked statically, that opens the record and asks the kernel for the process; ratios as in
common.hpp. Interpreters do nothing but start, which is what a client written for them pays before it looks.
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

GENIE = pathlib.Path(__file__).resolve().parent.parent / "build/release/bin/genie"
LOOK = r"""
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char** arguments) {
  char text[32] = "";
  const int file = count > 1 ? open(arguments[1], O_RDONLY) : -1;
  return file < 0 || read(file, text, sizeof text - 1) <= 0 || kill(atoi(text), 0) != 0;
}
"""


def span(command):
    began = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ)
    _, status = os.waitpid(child, 0)
    took = time.perf_counter() - began
    assert status == 0, command
    return took * 1e6


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work, "look.c")
        source.write_text(LOOK)
        for name, options in (("static", ["-static"]), ("shared", [])):
            subprocess.run(["cc", "-O2", *options, source, "-o", f"{work}/{name}"], check=True)
        server = subprocess.Popen([GENIE, "run", "--dir", work, "--", "sleep", "1000"])
        while subprocess.run([GENIE, "status", "-q", "--dir", work]).returncode != 0:
            time.sleep(0.01)
        commands = {
            "floor: a C program, linked statically": [f"{work}/static", f"{work}/serve.pid"],
            "the same, linked as usual": [f"{work}/shared", f"{work}/serve.pid"],
            "`genie status -q`": [str(GENIE), "status", "-q", "--dir", work],
            "`sh -c 'kill -0 $(cut ...)'`": ["/bin/sh", "-c", f"kill -0 $(cut -d: -f1 {work}/serve.pid)"],
        }
        for name, options in (("python3", ["-c", ""]), ("node", ["-e", ""]), ("bun", ["-e", ""])):
            if (path := shutil.which(name)) is not None:
                commands[f"`{name} {options[0]} ''`"] = [path, *options]
        spans = {name: [] for name in commands}
        for at in range(rounds + 1):
            for name, command in commands.items():
                took = span(command)
                if at > 0:
                    spans[name].append(took)
        server.terminate()
        server.wait()
    print("| is it running, by a command | µs | ratio | from | to |\n|---|---:|---:|---:|---:|")
    floor = next(iter(spans.values()))
    for name, taken in spans.items():
        ratios = sorted(one / least for one, least in zip(taken, floor))
        quarter = len(ratios) // 4
        print(f"| {name} | {statistics.median(taken):.0f} | {statistics.median(ratios):.2f} "
              f"| {ratios[quarter]:.2f} | {ratios[-1 - quarter]:.2f} |")


if __name__ == "__main__":
    main()
