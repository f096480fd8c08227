#!/usr/bin/env bash
# Builds the tests for Windows by mingw-w64 and runs them under wine, which a wineserver that stays makes bearable.
#
#   scripts/check-windows.sh            the tests of the Windows policies: files, locks, processes, claims, stops
#   scripts/check-windows.sh nightly    the whole unit suite as well, and longer races
#
# The unit suite runs on fakes, and mingw's linker alone takes more than a minute of processor time for it: so, nightly.
#
# Installs compiler and wine by apt-get where they are missing. What the tests need of fmt and Catch2 are headers, which
# are the same for every system: they are copied from /usr/include to where only this build finds them.
# The last line says how many test cases passed. Returns 77, and says why, where it can't run.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
# Wine makes names in the locale's character set, and the tests have some that ASCII has not.
export LC_ALL=C.UTF-8

nightly=
case ${1:-} in
  "") ;;
  nightly) nightly=yes ;;
  *) echo "usage: $0 [nightly]" >&2; exit 2 ;;
esac

scripts/install-deps.sh build windows

wine=
for candidate in wine64 wine /usr/lib/wine/wine64; do
  if command -v "$candidate" >/dev/null; then wine=$candidate; break; fi
done
server=
for candidate in wineserver wineserver64 /usr/lib/wine/wineserver64 /usr/lib/wine/wineserver; do
  if command -v "$candidate" >/dev/null; then server=$candidate; break; fi
done
[ "$wine" ] && [ "$server" ] || { echo "there is no wine for 64-bit programs here"; exit 77; }
[ -f /usr/include/catch2/catch.hpp ] || { echo "Catch2 is none of version 2, whose headers are all that it takes"; exit 77; }

# --- what the build takes of the machine ------------------------------------------------------------------------------
libraries=build/mingw-libraries
rm -rf "$libraries"
mkdir -p "$libraries/include" "$libraries/lib/cmake/fmt" "$libraries/lib/cmake/Catch2"
cp -r /usr/include/fmt /usr/include/catch2 "$libraries/include/"
config() { # NAME MAJOR MINOR PROPERTIES
  local directory=$libraries/lib/cmake/$1
  cat >"$directory/${1,,}-config.cmake" <<EOF
add_library($1::$1 INTERFACE IMPORTED)
target_include_directories($1::$1 SYSTEM INTERFACE \${CMAKE_CURRENT_LIST_DIR}/../../../include)
$4
EOF
  cat >"$directory/${1,,}-config-version.cmake" <<EOF
set(PACKAGE_VERSION $2.$3)
if(PACKAGE_FIND_VERSION_MAJOR EQUAL $2 AND PACKAGE_FIND_VERSION VERSION_LESS_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
EOF
}
# Newer ones have it in another header.
fmt_number=$(grep -ohE 'define FMT_VERSION [0-9]+' -r /usr/include/fmt | grep -oE '[0-9]+$')
config fmt $((fmt_number / 10000)) $((fmt_number / 100 % 100)) \
  'target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)'
# shellcheck disable=SC2016 # the variable is CMake's
config Catch2 2 13 'list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})'
# What CMake includes for tests that are told apart is not needed: each program runs once.
echo '# see scripts/check-windows.sh' >"$libraries/lib/cmake/Catch2/Catch.cmake"

# --- building ---------------------------------------------------------------------------------------------------------
cmake --preset windows -DGENIE_UNITY=ON
targets=(genie_windows_tests)
if [ "$nightly" ]; then targets+=(genie_unit_tests); fi
cmake --build --preset windows --parallel "${GENIE_JOBS:-2}" --target "${targets[@]}"

# Each header alone; the user's <windows.h>, before or after, with and without its strict types; and nothing but the one
# header.
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef -Werror)
for header in include/genie/windows/*.hpp; do
  x86_64-w64-mingw32-g++-posix -std=c++20 "${warnings[@]}" -fno-exceptions -fno-rtti -fsyntax-only -Iinclude -x c++ "$header"
done
for order in 'windows.h genie/serve_guard.hpp' 'genie/serve_guard.hpp windows.h' 'genie/fmt.hpp winternl.h'; do
  for strict in STRICT NO_STRICT; do
    printf '#define %s\n' $strict >build/windows/together.cpp
    for header in $order; do printf '#include <%s>\n' "$header"; done >>build/windows/together.cpp
    echo 'int main() { return genie::ServeGuard<>{"x"}.status() ? 0 : 1; }' >>build/windows/together.cpp
    x86_64-w64-mingw32-g++-posix -std=c++20 -DFMT_HEADER_ONLY -fno-exceptions -fsyntax-only -Iinclude \
      -isystem "$libraries/include" build/windows/together.cpp
  done
done
x86_64-w64-mingw32-g++-posix -std=c++20 -Isingle_include -x c++ - -o build/windows/single.exe -static <<'EOF'
#include <genie/serve_guard.hpp>
int main() { return genie::ServeGuard<>{"x"}.status() ? 0 : 1; }
EOF

# --- running ----------------------------------------------------------------------------------------------------------
export WINEPREFIX=$PWD/build/wine
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml=;winemenubuilder.exe='
mkdir -p "$WINEPREFIX"
unset DISPLAY
# It would keep whatever it inherits open.
"$server" -p600 >/dev/null 2>&1 || true
trap '"$server" -k >/dev/null 2>&1 || true' EXIT
"$wine" wineboot -i >/dev/null 2>&1 || true
# Windows that nobody sees: there is no display.
"$wine" reg add 'HKCU\Software\Wine\Drivers' /v Graphics /d null /f >/dev/null 2>&1
"$server" -k >/dev/null 2>&1 || true
"$server" -p600 >/dev/null 2>&1 || true

limit=300
if [ "$nightly" ]; then
  limit=7200
  export GENIE_TEST_ROUNDS=${GENIE_TEST_ROUNDS:-10}
fi
"$wine" build/windows/single.exe >/dev/null 2>&1
passed=0
compiler="MinGW-w64, GCC $(x86_64-w64-mingw32-g++-posix -dumpversion | sed 's/-.*//'), libstdc++, C++20"
declare -A parts=([genie_windows_tests]="policies, processes" [genie_unit_tests]="unit tests")
for program in "${targets[@]}"; do
  echo "-- $program"
  timeout "$limit" "$wine" "build/windows/tests/$program.exe" >"build/windows/$program.log" 2>&1 ||
    { cat "build/windows/$program.log"; exit 1; }
  tail -n 2 "build/windows/$program.log"
  count=$(sed -n 's/^All tests passed.* in \([0-9]*\) test cases*.*/\1/p' "build/windows/$program.log")
  scripts/platforms.py record --platform "Windows x86_64, ${parts[$program]}" --compiler "$compiler" --how "under wine" --passed "$count"
  passed=$((passed + count))
done
echo "$passed test cases passed under $("$wine" --version)"
