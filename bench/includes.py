#!/usr/bin/env python3
"""What an include costs each source file that has it: milliseconds of processor time, and preprocessed lines.

    python3 bench/includes.py [ROUNDS]      compiler: $CXX, else g++

`-std=c++20 -fsyntax-only`, without optimisation or code; compilers take turns over the files, medians. Peers are measured
where they are installed: libcli11-dev, nlohmann-json3-dev, libboost-dev, qtbase5-dev.
"""
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILER = os.environ.get("CXX", "g++")
FLAGS = ["-std=c++20", f"-I{ROOT}/include", "-fPIC", "-isystem", "/usr/include/x86_64-linux-gnu/qt5"]
STANDARD = "#include <string>\n#include <vector>\n#include <chrono>\n"
FILES = {
    "nothing": "",
    "`<string>`": "#include <string>\n",
    "`<genie/serve_guard.hpp>`": "#include <genie/serve_guard.hpp>\n",
    "`<string>`, `<vector>`, `<chrono>`": STANDARD,
    "the same and `<genie/serve_guard.hpp>`": STANDARD + "#include <genie/serve_guard.hpp>\n",
    "Boost `file_lock.hpp`": "#include <boost/interprocess/sync/file_lock.hpp>\n",
    "Qt `<QLockFile>`": "#include <QtCore/QLockFile>\n",
    "nlohmann `json.hpp`": "#include <nlohmann/json.hpp>\n",
    "`<CLI/CLI.hpp>`": "#include <CLI/CLI.hpp>\n",
}


def compile_once(path, *options):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([COMPILER, *FLAGS, *options, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return None if done.returncode else (took * 1000, done.stdout)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as work:
        lines, spans = {}, {}
        for number, (name, text) in enumerate(FILES.items()):
            path = pathlib.Path(work, f"{number}.cpp")
            path.write_text(text)
            if (preprocessed := compile_once(path, "-E", "-P")) is not None:
                lines[name] = sum(1 for line in preprocessed[1].splitlines() if line.strip())
                spans[path] = (name, [])
        for _ in range(rounds):
            for path, (_, taken) in spans.items():
                taken.append(compile_once(path, "-fsyntax-only")[0])
    print("| include | ms | lines |\n|---|---:|---:|")
    for name, taken in spans.values():
        print(f"| {name} | {statistics.median(taken):.0f} | {lines[name]:,} |")


if __name__ == "__main__":
    main()
