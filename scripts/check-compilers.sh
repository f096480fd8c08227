#!/usr/bin/env bash
# Checks that every compiler takes the headers, and what it says to a policy that lacks something.
#
#   scripts/check-compilers.sh            with the compilers that are installed, in seconds
#   scripts/check-compilers.sh nightly    with all of them, which it installs (Debian): GCC 12 and the newest of a Debian
#                                         release, Clang 14, 16 and 19, with libstdc++ and with libc++; and runs the tests
#                                         as they compile them
#
# Each of them, as C++20 and as C++23 (of the installed ones, what scripts/check-headers.sh has not looked at):
#   - all headers, not as system headers, with all warnings as errors; and the core after hostile macros, without
#     exceptions and RTTI (scripts/check-headers.sh)
#   - the concepts (tests/concepts): each policy that lacks a member is refused by the concept's name
#   - GCC: the whole protocol, optimised, which is when it warns of more (the installed one, by any run)
#   - GCC: the tree and the amalgam, with and without fmt, in one program with -flto -Wodr (tests/odr, which is also a test)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
nightly=
case ${1:-} in
  "") ;;
  nightly) nightly=yes ;;
  *) echo "usage: $0 [nightly]" >&2; exit 2 ;;
esac
work=$root/build/check-compilers
mkdir -p "$work"
jobs=${GENIE_JOBS:-2}
failed=0
fail() { echo "check-compilers: $*" >&2; failed=1; }
gcc=${CXX:-g++}

# Some warnings come from the optimiser only, each level has its own, and they come to whoever includes a header.
{
  (cd include && find genie -maxdepth 1 -name '*.hpp' ! -name fmt.hpp | LC_ALL=C sort | sed 's/.*/#include <&>/')
  cat tests/cross/main.cpp
} >"$work/whole.cpp"
ccache=$(command -v ccache || true)
for level in 1 2 3 s; do
  $ccache $gcc -std=c++20 -O$level -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef \
    -Werror -Iinclude -c "$work/whole.cpp" -o "$work/whole.o" || fail "$gcc -O$level warns"
done

if [ ! "$nightly" ]; then
  compilers=("$gcc")
  if command -v clang++ >/dev/null; then compilers+=(clang++); fi
  tests/concepts/check.py "${compilers[@]}" || fail "a concept is not told by its name"
  compilers=("$gcc -funsigned-char")  # as on ARM, POWER, RISC-V and System z
  if command -v clang++-19 >/dev/null; then compilers+=(clang++-19); fi
  GENIE_STANDARDS=2b scripts/check-headers.sh "${compilers[@]}" || fail "a header is refused"
  exit $failed
fi

scripts/install-deps.sh build check compilers

# --- what is installed -----------------------------------------------------------------------------------------------

# Only one libc++ can be installed at a time, so each is unpacked, for its compiler.
libcxx() { # VERSION: prints the options for it
  local folder=$work/libc++-$1/usr/lib/llvm-$1
  if [ ! -d "$folder" ]; then
    mkdir -p "$work/debs-$1"
    (cd "$work/debs-$1" && apt-get -qq download "libc++-$1-dev" "libc++1-$1" "libc++abi-$1-dev" "libc++abi1-$1" "libunwind-$1") >&2
    for package in "$work/debs-$1"/*.deb; do dpkg-deb -x "$package" "$work/libc++-$1"; done
  fi
  echo "-nostdinc++ -isystem $folder/include/c++/v1"
}

compilers=("$gcc")
for version in 14 16 19; do
  command -v clang++-$version >/dev/null || { echo "clang++-$version cannot be had here"; continue; }
  compilers+=("clang++-$version" "clang++-$version $(libcxx $version)")
done

for compiler in "${compilers[@]}"; do
  scripts/check-headers.sh "$compiler" || fail "$compiler refuses a header"
  tests/concepts/check.py "$compiler" || fail "$compiler does not tell a concept by its name"
done
if [ $failed = 0 ]; then
  scripts/platforms.py record --platform "Linux x86_64" --how "compiled only" \
    --compiler "Clang 14, 16, 19, each with libstdc++ and libc++, C++20 and C++23" --note "all headers; all concepts"
fi

# --- the tests, as they compile them ---------------------------------------------------------------------------------

tests() { # NAME COMPILER PLATFORM-COLUMN COMPILER-COLUMN CMAKE-ARGUMENT...
  local name=$1 compiler=$2 platform=$3 title=$4
  shift 4
  cmake --preset clang -B "$work/$name" -DCMAKE_CXX_COMPILER="$compiler" -DGENIE_UNITY=ON \
    -DCMAKE_CXX_FLAGS_DEBUG=-O0 "$@" >"$work/$name.log" &&
    cmake --build "$work/$name" --parallel "$jobs" >>"$work/$name.log" &&
    ctest --test-dir "$work/$name" --parallel "$jobs" --timeout 3600 --output-junit "$work/$name.xml" >>"$work/$name.log" ||
    { tail -n 60 "$work/$name.log"; fail "the tests fail with $title"; }
  scripts/platforms.py record --platform "$platform" --compiler "$title" --how "run natively" --junit "$work/$name.xml"
}

if command -v clang++-16 >/dev/null; then tests clang-16 clang++-16 "Linux x86_64" "Clang 16, libstdc++, C++23" -DCMAKE_CXX_STANDARD=23; fi
if command -v clang++-19 >/dev/null && scripts/header-only-deps.sh "$work/header-only"; then
  library=$work/libc++-19/usr/lib/llvm-19/lib
  # With the compiler, and not among the flags, of which some program of the tests takes none.
  options=$(libcxx 19)
  tests clang-19-libc++ "clang++-19;${options// /;}" "Linux x86_64" "Clang 19, libc++, C++20" \
    -DCMAKE_PREFIX_PATH="$work/header-only" \
    -DCMAKE_EXE_LINKER_FLAGS="-stdlib=libc++ -L$library -Wl,-rpath,$library"
fi

# --- the newest GCC --------------------------------------------------------------------------------------------------
# In a root of its own: a whole Debian 13, whose libraries (glibc, fmt, Catch2 3) are also newer.
newest=$work/debian-13
if [ ! -x "$newest/usr/bin/cmake" ]; then
  rm -rf "$newest"
  mmdebstrap --quiet --variant=essential \
    --include=g++,cmake,ninja-build,mount,python3,pkg-config,procps,libfmt-dev,catch2,libcli11-dev,nlohmann-json3-dev \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    trixie "$newest" http://deb.debian.org/debian
fi
rm -rf "$newest/genie"
mkdir "$newest/genie"
git ls-files -z | xargs -0 cp --parents -t "$newest/genie"
cat >"$newest/genie/inside.sh" <<'INSIDE'
set -e
cd /genie
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
g++ --version | sed -n 1p
scripts/check-headers.sh g++
tests/concepts/check.py g++
cmake --preset dev -DGENIE_UNITY=ON -DGENIE_BUILD_VERIFICATION=OFF -DCMAKE_CXX_STANDARD=23
cmake --build --preset dev --parallel "$GENIE_JOBS"
ctest --preset dev --timeout 3600 --parallel "$GENIE_JOBS" --output-junit /genie/results.xml
INSIDE
# A namespace of its own for its mounts and processes; its /dev is the machine's.
GENIE_JOBS=$jobs unshare --mount --pid --fork --kill-child sh -c '
  mount --rbind /dev "$1/dev" && mount -t sysfs -o ro sysfs "$1/sys" && exec chroot "$1" bash /genie/inside.sh' - "$newest" \
  >"$work/debian-13.log" 2>&1 || { tail -n 60 "$work/debian-13.log"; fail "the tests fail with the newest GCC"; }
scripts/platforms.py record --platform "Linux x86_64, Debian 13" --compiler "GCC 14, libstdc++, C++23" --how "run natively" \
  --junit "$newest/genie/results.xml"

exit $failed
