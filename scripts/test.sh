#!/usr/bin/env bash
# Builds and runs everything that must pass before a change lands. Needs no terminal and no input.
#
#   scripts/test.sh            all sections
#   scripts/test.sh --quick    only the dev preset
#   scripts/test.sh nightly    all sections with longer loops, for a night: each test repeats its rounds
#                              GENIE_TEST_ROUNDS times, exploration, torture, crashes and fuzzing go on for hours; the
#                              site is built, and each page of it looked at in a browser
#
# The last line is "N passed, N failed": the test cases of every section, a section without test cases counting as one.
# Each section's whole output is kept in build/logs/.
set -uo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

jobs=${GENIE_JOBS:-2}
logs=$PWD/build/logs
# One more, because most tests of processes wait for one now and then.
ctest_options=(--parallel $((jobs + 1)))
quick=
nightly=
case ${1:-} in
  "") ;;
  --quick) quick=yes ;;
  nightly)
    nightly=yes
    export GENIE_TEST_ROUNDS=${GENIE_TEST_ROUNDS:-20}
    ctest_options+=(--timeout 3600)
    ;;
  *) echo "usage: $0 [--quick | nightly]" >&2; exit 2 ;;
esac

# --- sections --------------------------------------------------------------------------------------------------------
# A section that cannot run on this machine says why and returns 77.

deps() { if [ "$quick" ]; then scripts/install-deps.sh build; else scripts/install-deps.sh build check cross postgres; fi }

build() { # PRESET ARGUMENT...
  local preset=$1 compiler=()
  shift
  # Sanitized code takes g++ three times as long to compile.
  case $preset in
    asan | tsan) if command -v clang++-19; then compiler=(-DCMAKE_CXX_COMPILER=clang++-19); fi ;;
  esac
  cmake --preset "$preset" -DGENIE_UNITY=ON "${compiler[@]}"
  cmake --build --preset "$preset" --parallel "$jobs" "$@"
}

suite() { # PRESET ARGUMENT...: builds a preset and runs its tests
  local preset=$1
  shift
  build "$preset"
  ctest --preset "$preset" "${ctest_options[@]}" --output-junit "$logs/$preset.xml" "$@"
}

dev() {
  suite dev
  scripts/platforms.py record --platform "Linux $(uname -m)" --compiler "GCC $("${CXX:-g++}" -dumpversion), libstdc++, C++20" \
    --how "run natively" --junit "$logs/dev.xml"
}

# The same, where each start of a program takes long: the unit tests in two halves that take about the same time, beside
# the others. `asan` tests the amalgamated header, all others the tree.
sanitized_suite() { # PRESET
  local preset=$1 halves=() half status=0
  build "$preset"
  for half in '[fault]' '~[fault]'; do
    "build/$preset/tests/genie_unit_tests" "$half" &
    halves+=($!)
  done
  # Where each allocation was made is told by the unit tests; noting it is a third of what a program takes to start.
  GENIE_ASAN_OPTIONS=malloc_context_size=0 ctest --preset "$preset" "${ctest_options[@]}" \
    --output-junit "$logs/$preset.xml" --label-exclude '^unit$' || status=$?
  for half in "${halves[@]}"; do wait "$half" || status=$?; done
  return $status
}

release() {
  build release
  build/release/bin/genie --version
}

asan() {
  ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 sanitized_suite asan
}

tsan() {
  # Some kernels place memory where the sanitizer's runtime does not expect it.
  mkdir -p build/tsan
  echo 'int main() {}' | "$(command -v clang++-19 || echo "${CXX:-g++}")" -fsanitize=thread -x c++ - -o build/tsan/probe
  build/tsan/probe || { echo "a program with -fsanitize=thread does not start on this machine"; return 77; }
  TSAN_OPTIONS=halt_on_error=1:die_after_fork=0 sanitized_suite tsan
}

# The layers of docs/verification.md, with the programs that `dev` and `release` have built.

explore() {
  build/dev/tests/explore/genie_explore --jobs "$jobs" --check docs/verification.md ${nightly:+--nightly --limit 480}
}

conformance() { build/dev/tests/conformance/genie_conformance ${nightly:+--operations 20000000}; }

torture() {
  build/dev/tests/torture/genie_torture --prove
  build/dev/tests/torture/genie_torture ${nightly:+--rounds 1000000}
}

crash() {
  local program=build/dev/tests/crash/genie_crash_entry_point
  python3 -B tests/crash/crash_at_every_call.py --entry-point $program --prove
  python3 -B tests/crash/crash_at_every_call.py --entry-point $program --genie build/release/static/genie ${nightly:+--all}
}

fuzz() { scripts/fuzz.sh ${nightly:+nightly}; }

compilers() { scripts/check-compilers.sh ${nightly:+nightly}; }

windows() { scripts/check-windows.sh ${nightly:+nightly}; }

# The tests by clang 19, measured; by whatever clang there is where that one is missing.
coverage() {
  local status=0
  unset CCACHE_NOHASHDIR  # its reports name the sources by where they were compiled
  scripts/coverage.sh || status=$?
  [ $status = 77 ] || return $status
  clang
}

clang() {
  command -v clang++ || { echo "no clang++"; return 77; }
  build clang --target genie_unit_tests
  ctest --preset clang "${ctest_options[@]}" --output-junit "$logs/clang.xml" --label-regex '^unit$'
}

format() {
  command -v clang-format-19 || { echo "no clang-format-19"; return 77; }
  find include cli tests examples bench -name '*.[ch]pp' -print0 | xargs -0 clang-format-19 --dry-run -Werror
}

tidy() {
  command -v clang-tidy-19 || { echo "no clang-tidy-19"; return 77; }
  mkdir -p build/tidy
  (cd include && find genie -name '*.hpp' -not -path 'genie/windows/*' | LC_ALL=C sort | sed 's/.*/#include <&>/') >build/tidy/all_headers.cpp
  # All sources at once, or genie's headers would be looked at with each of them again.
  printf '#include "../../%s"  // NOLINT(bugprone-suspicious-include)\n' cli/*.cpp >build/tidy/command.cpp
  printf '%s\n' build/tidy/command.cpp build/tidy/all_headers.cpp |
    xargs -P "$jobs" -I{} clang-tidy-19 --quiet {} -- -std=c++20 -Iinclude -Icli -DFMT_HEADER_ONLY
}

macos_freebsd() { scripts/check-macos-freebsd.sh ${nightly:+nightly}; }

site() { scripts/site.sh --check; }

# --- running them ----------------------------------------------------------------------------------------------------

passed=0
failed=0
skipped=0
first_failure=

attribute() { grep -om1 "$2=\"[0-9]*\"" "$1" | grep -o '[0-9]*'; }

section() { # NAME COMMAND...
  local name=$1 started=$EPOCHREALTIME status took
  local log=$logs/$name.log results=$logs/$name.xml
  shift
  rm -f "$results"
  printf '== %-12s' "$name"
  (set -e; "$@") >"$log" 2>&1
  status=$?
  took=$(((${EPOCHREALTIME/[.,]/} - ${started/[.,]/}) / 100000))
  took=$((took / 10)).$((took % 10))s

  local section_passed=0 section_failed=0 section_skipped=0
  if [ -f "$results" ]; then
    section_failed=$(attribute "$results" failures)
    section_skipped=$(($(attribute "$results" skipped) + $(attribute "$results" disabled)))
    section_passed=$(($(attribute "$results" tests) - section_failed - section_skipped))
  elif [ $status = 0 ]; then
    section_passed=1
  elif [ $status = 77 ]; then
    section_skipped=1
  fi
  if [ $status != 0 ] && [ $status != 77 ] && [ "$section_failed" = 0 ]; then section_failed=1; fi
  passed=$((passed + section_passed)) failed=$((failed + section_failed)) skipped=$((skipped + section_skipped))

  if [ "$section_failed" != 0 ]; then
    echo " FAILED  $took  $section_passed passed, $section_failed failed; $log"
    # The first failure is shown whole; what follows it is often its echo.
    if [ -z "$first_failure" ]; then cat "$log"; else tail -n 30 "$log"; fi
    first_failure=${first_failure:-$name}
  elif [ $status = 77 ]; then
    echo " skipped $took  $(tail -n 1 "$log")"
  else
    echo " ok      $took  $section_passed passed$([ "$section_skipped" = 0 ] || echo ", $section_skipped skipped")"
  fi
}

mkdir -p "$logs"
unset CLICOLOR_FORCE

section deps deps
# What install-deps.sh has put beside older versions of the distribution.
PATH=$PWD/build/venv/bin:$PATH
if command -v ccache >/dev/null; then
  # One clone finds what another one has compiled.
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
fi
if [ -z "${CXX:-}" ] && [ "$(g++ -dumpversion | cut -d. -f1)" -lt 12 ] && command -v g++-12 >/dev/null; then
  export CXX=g++-12
fi

section dev dev
if [ -z "$quick" ]; then
  section release release
  section explore explore
  section conformance conformance
  section torture torture
  section crash crash
  section fuzz fuzz
  section headers scripts/check-headers.sh
  section compilers compilers
  section format format
  section tidy tidy
  section macos_freebsd macos_freebsd
  section packages scripts/check-packages.sh
  section workflows scripts/check-workflows.sh
  [ -z "$nightly" ] || section platforms scripts/check-platforms.sh nightly
  section windows windows
  section coverage coverage
  section asan asan
  section tsan tsan
fi
if [ "$nightly" ]; then section site site; fi

[ -z "$first_failure" ] || echo "first failing section: $first_failure, $logs/$first_failure.log"
[ "$skipped" = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
