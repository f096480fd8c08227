#!/usr/bin/env bash
# Measures what the C++ tests reach of include/genie, and fails where that is not everything.
#
#   scripts/coverage.sh            builds into build/coverage, runs, reports
#   scripts/coverage.sh --report   only the report, of the last run
#
# A line, or one side of a branch, counts as reached if any instantiation of a template reached it in any test. What is
# not reached must be in tests/coverage/exceptions.txt, with the reason; genie/testing/ and what is not of Linux are reported and not judged.
# Exits with 77 where there is no clang 19 with coverage, or, when all other headers were judged, where no cgroup can be
# made (most containers).
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${GENIE_JOBS:-2}
out=$PWD/build/coverage
programs=(genie_unit_tests genie_process_tests)

for tool in clang++-19 llvm-profdata-19 llvm-cov-19; do
  command -v "$tool" >/dev/null || { echo "no $tool"; exit 77; }
done
mkdir -p "$out"
# In the mode %c counters live in a shared mapping of the file: those of a child that is killed or calls _exit count, too.
# MC/DC is not recorded then, so only the program with children runs so.
flags="-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc -mllvm -runtime-counter-relocation=true"
# Atomic, because a count that is lost between two children makes the other side of a branch look as if it was taken.
flags="$flags -fprofile-update=atomic -O0 -w"
echo 'int main() {}' | clang++-19 $flags -x c++ - -o "$out/probe" 2>/dev/null ||
  { echo "clang++-19 has no coverage runtime (libclang-rt-19-dev)"; exit 77; }

if [ "${1:-}" != --report ]; then
  cmake -S . -B "$out" -G Ninja -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="$flags" \
    -DGENIE_UNITY=ON -DGENIE_BUILD_CLI=OFF -DGENIE_BUILD_EXAMPLES=OFF -DGENIE_BUILD_VERIFICATION=OFF -DGENIE_INSTALL=OFF >"$out/configure.log"
  # Test cases are not listed one by one here, so no program need run at build time.
  cmake --build "$out" --parallel "$jobs" --target "${programs[@]}" >"$out/build.log" || { tail -n 30 "$out/build.log"; exit 1; }
  rm -rf "$out"/profiles
  mkdir -p "$out"/profiles
  running=()
  for program in "${programs[@]}"; do
    mode=
    if [ "$program" = genie_process_tests ]; then mode=%c; fi
    LLVM_PROFILE_FILE="$out/profiles/$mode$program.profraw" "$out/tests/$program" >"$out/$program.log" 2>&1 &
    running+=($!)
  done
  failed=
  for at in "${!programs[@]}"; do
    wait "${running[$at]}" || failed="$failed ${programs[$at]}"
  done
  for program in $failed; do
    echo "$program failed: $out/$program.log"
    tail -n 30 "$out/$program.log"
  done
  [ -z "$failed" ] || exit 1
  passed=$(for program in "${programs[@]}"; do cat "$out/$program.log"; done |
    sed -n 's/^All tests passed.* in \([0-9]*\) test cases*.*/\1/p' | paste -sd +)
  if [ "$passed" ]; then
    scripts/platforms.py record --platform "Linux $(uname -m)" --compiler "Clang 19, libstdc++, C++20" --how "run natively" \
      --note "unit and process tests" --passed $((passed))
  fi
fi

exports=()
for program in "${programs[@]}"; do
  llvm-profdata-19 merge -sparse "$out/profiles/$program.profraw" -o "$out/$program.profdata"
  llvm-cov-19 export "$out/tests/$program" -instr-profile="$out/$program.profdata" include/genie >"$out/$program.json" 2>"$out/$program.warnings"
  exports+=("$out/$program.json")
done
status=0
python3 tests/coverage/report.py tests/coverage/exceptions.txt "${exports[@]}" >"$out/report.txt" 2>&1 || status=$?
cat "$out/report.txt"
[ $status != 0 ] || exit 0
# Where no cgroup can be made, what only those tests reach says nothing about them; everything else is judged all the same.
skipped=$(grep -ahoE '(skipped|SKIPPED): .*cgroup.*' "$out/genie_process_tests.log" | sort | uniq -c) || exit $status
elsewhere=$(grep '^include/genie/[^ ]*: ' "$out/report.txt" | grep -vcE '^include/genie/(linux/(cgroup|process_probe)|posix/processes)\.hpp:' || true)
[ "$elsewhere" = 0 ] || exit $status
grep -q '^include/genie/[^ ]*: ' "$out/report.txt" || exit $status  # it was not this that has failed
echo "headers that ask the kernel for processes are not judged here, as tests were skipped: $skipped"
exit 77
