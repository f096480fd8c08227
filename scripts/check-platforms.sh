#!/usr/bin/env bash
# Builds genie for other processors and another C library, and runs it here, under qemu where the processor is another one.
# Needs Debian 12 (cross compilers, and a Catch2 that is a header), and root for the parts that say so.
#
#   scripts/check-platforms.sh [consumer] [PLATFORM...]   a program that claims, looks and releases, on each: seconds
#   scripts/check-platforms.sh core [PLATFORM...]         also the tests of what depends on a processor: records, texts, files,
#                                                         processes, and claim, stop and endpoints on fakes; minutes
#   scripts/check-platforms.sh unit [PLATFORM...]         also all unit tests, in one process; some minutes each
#   scripts/check-platforms.sh nightly [PLATFORM...]      the whole suite, on each: an hour and more
#
# PLATFORM: i386, armhf, aarch64, riscv64, s390x (big-endian), musl (x86-64, static, by zig). Default: all.
#
# The programs of the tests start programs in turn, so that the kernel must know what to run them with: binfmt_misc (root).
# Everything is linked statically, so that no root of the other system is needed. What qemu can't do is left out, by
# tests/platforms/qemu.txt, with the reason for each; the table of docs/platforms.md counts it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
jobs=${GENIE_JOBS:-2}
work=$root/build/platforms-work
mkdir -p "$work"
failed=0
fail() { echo "check-platforms: $*" >&2; failed=1; }

mode=consumer
case ${1:-} in
  consumer | core | unit | nightly) mode=$1; shift ;;
esac
wanted=("$@")
[ ${#wanted[@]} != 0 ] || wanted=(i386 armhf aarch64 riscv64 s390x musl)

scripts/install-deps.sh build platforms
scripts/header-only-deps.sh "$work/prefix"

# --- what each platform needs ----------------------------------------------------------------------------------------

describe() { # PLATFORM: sets title, processor, cxx, qemu, how and magic (of its ELF files, for the kernel)
  how="under qemu" qemu= magic=
  case $1 in
    i386) title="Linux i386" processor=i686 cxx=i686-linux-gnu-g++ how="run natively" ;;  # x86-64 kernels run it
    armhf)
      title="Linux armhf" processor=armv7l cxx=arm-linux-gnueabihf-g++ qemu=qemu-arm
      magic='\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00' ;;
    aarch64)
      title="Linux aarch64" processor=aarch64 cxx=aarch64-linux-gnu-g++ qemu=qemu-aarch64
      magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' ;;
    riscv64)
      title="Linux riscv64" processor=riscv64 cxx=riscv64-linux-gnu-g++ qemu=qemu-riscv64
      magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00' ;;
    s390x)
      title="Linux s390x (big-endian)" processor=s390x cxx=s390x-linux-gnu-g++ qemu=qemu-s390x
      magic='\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16' ;;
    musl)
      title="Linux x86_64, musl, static" processor=x86_64 cxx=$work/zig-c++ how="run natively"
      # Catch2 counts its tests in a way that C++ has only by extension, as new Clangs say.
      printf '#!/bin/sh\nexec %s -m ziglang c++ -target x86_64-linux-musl "$@" -Wno-c2y-extensions\n' "$root/build/venv/bin/python" >"$cxx"
      chmod +x "$cxx" ;;
    *) echo "check-platforms: no such platform: $1" >&2; exit 2 ;;
  esac
  compiler=$([ "$1" = musl ] && echo "zig c++, libc++" || echo "GCC $("$cxx" -dumpversion), libstdc++")
}

# The kernel is told for the time of this run only.
registered=()
forget() {
  local name
  for name in "${registered[@]}"; do echo -1 >"/proc/sys/fs/binfmt_misc/$name" || true; done
}
trap forget EXIT
register() { # PLATFORM: whether its programs can be executed like any other
  [ "$qemu" ] || return 0
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null || return 1
  [ -w /proc/sys/fs/binfmt_misc/register ] || return 1
  [ ! -e "/proc/sys/fs/binfmt_misc/genie-$1" ] || return 0
  # Any operating system ABI, executable or shared object; F: found now, P: argv[0] is kept.
  local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  [ "$1" != s390x ] || mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff'
  printf '%s' ":genie-$1:M::$magic:$mask:$(command -v $qemu):FP" >/proc/sys/fs/binfmt_misc/register
  registered+=("genie-$1")
}

# --- running ---------------------------------------------------------------------------------------------------------

consumer() { # PLATFORM
  local state
  state=$(mktemp -d)
  "$cxx" -std=c++20 -static -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef -Werror \
    -Iinclude tests/package/main.cpp -o "$work/consumer-$1" &&
    ${qemu:+"$qemu"} "$work/consumer-$1" "$state/state" &&
    scripts/platforms.py record --platform "$title" --compiler "$compiler" --how "$how" --note "claims, looks, releases" ||
    fail "$title: the consumer failed"
  [ "$1" != i386 ] || far_inodes "$1"
  rm -rf "$state"
}

# Overlayfs numbers the files of its lower layers beyond 32 bits where it is asked to.
far_inodes() { # PLATFORM
  local overlay=$work/overlay
  mkdir -p "$overlay"/{upper,work,lower,merged}
  local status=0
  unshare --mount sh -ec '
    mount -t tmpfs tmpfs "$1/lower"
    mkdir -m 700 "$1/lower/state"
    (umask 077 && : >"$1/lower/state/serve.lock")
    mount -t overlay overlay -o "xino=on,lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged" || exit 77
    number=$(stat -c %i "$1/merged/state/serve.lock")
    test ${#number} -gt 10 || exit 77
    exec "$2" "$1/merged/state"' - "$overlay" "$work/consumer-$1" || status=$?
  case $status in
    0) echo "$title: a consumer ran where inode numbers have 64 bits" ;;
    77) echo "$title: no file system with inode numbers of 64 bits can be made here" ;;
    *) fail "$title: the consumer failed where inode numbers have 64 bits" ;;
  esac
  rm -rf "$overlay"
}

core() { # PLATFORM
  local source=$work/core.cpp said=$work/core-$1.txt options=(-std=c++20 -O0 -w -Iinclude -Itests -Itests/unit -Itests/unit/record
    -Itests/unit/linux -isystem "$work/prefix/include" -DFMT_HEADER_ONLY) test
  for test in tests/unit/record/*_test.cpp tests/unit/{text,claim,stop,endpoints,linux/filesystem,linux/process_probe}_test.cpp; do
    echo "#include \"$root/$test\""
  done >"$source"
  "$cxx" "${options[@]}" -c tests/main.cpp -o "$work/main-$1.o" && "$cxx" "${options[@]}" -c "$source" -o "$work/core-$1.o" &&
    "$cxx" -static "$work/main-$1.o" "$work/core-$1.o" -o "$work/core-$1" || { fail "$title: the tests were not built"; return; }
  # Inputs by the thousand show nothing new on another processor, and take an emulator minutes.
  ${qemu:+"$qemu"} "$work/core-$1" '~*mutated*' >"$said" || { tail -n 40 "$said"; fail "$title: tests failed"; return; }
  scripts/platforms.py record --platform "$title" --compiler "$compiler" --how "$how" --note "the core's tests" \
    --passed "$(sed -n 's/^All tests passed.* in \([0-9]*\) test cases*.*/\1/p' "$said")"
}

# A line: what ctest's name of the test begins with, then why qemu can't do it.
names_left_out() { [ -z "$qemu" ] || sed -n 's/^\([^#][^|]*[^| ]\) *|.*/\1/p' tests/platforms/qemu.txt; }

configure() { # PLATFORM
  local emulator=()
  [ ! "$qemu" ] || emulator=("-DCMAKE_CROSSCOMPILING_EMULATOR=$(command -v "$qemu")")
  cmake -G Ninja -S . -B "$work/$1" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$processor" \
    -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_PREFIX_PATH="$work/prefix" "${emulator[@]}" \
    -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O1 -DGENIE_WERROR=ON -DGENIE_UNITY=ON \
    -DGENIE_BUILD_VERIFICATION=OFF -DGENIE_BUILD_EXAMPLES=OFF -DGENIE_INSTALL=OFF \
    -DCMAKE_CXX_FLAGS=-D_FILE_OFFSET_BITS=64  # or files of 32-bit programs end where those of the models go on
}

unit() { # PLATFORM
  local build=$work/$1 said=$work/unit-$1.txt program=$work/$1/tests/genie_unit_tests filters=()
  { configure "$1" && cmake --build "$build" --parallel "$jobs" --target genie_unit_tests; } >"$work/$1.log" ||
    { tail -n 40 "$work/$1.log"; fail "$title: not built"; return; }
  names_left_out | sed -n 's/^unit://p' >"$work/unit-left-out.txt"
  # Catch2 2 exits with the number of names.
  ${qemu:+"$qemu"} "$program" --list-test-names-only >"$work/unit-names.txt" || true
  local name
  while read -r name; do
    awk -v name="$name" 'index($0, name) == 1 { found = 1 } END { exit !found }' "$work/unit-names.txt" ||
      fail "tests/platforms/qemu.txt names a test that there is not: unit:$name"
  done <"$work/unit-left-out.txt"
  # As in `core`; a comma would begin another filter.
  mapfile -t filters < <(echo '~*mutated*' && sed 's/,/\\,/g; s/.*/~&*/' "$work/unit-left-out.txt")
  ${qemu:+"$qemu"} "$program" "${filters[@]}" >"$said" || { grep -v '^Filters:' "$said" | tail -n 40; fail "$title: tests failed"; return; }
  scripts/platforms.py record --platform "$title" --compiler "$compiler" --how "$how" --note "the unit tests" \
    --passed "$(sed -n 's/^All tests passed.* in \([0-9]*\) test cases*.*/\1/p' "$said")" \
    --left-out "$(wc -l <"$work/unit-left-out.txt")"
}

suite() { # PLATFORM
  local build=$work/$1 left_out=() exclude=() status=0
  if [ "$qemu" ]; then
    mapfile -t left_out < <(names_left_out)
    exclude=(--exclude-regex "$(printf '%s\n' "${left_out[@]}" | sed 's/[][()+*?.^$|\\]/\\&/g; s/^/^/' | paste -sd '|')")
  fi
  if ! register "$1"; then
    fail "$title: the kernel can't be told to run such programs with $qemu (root, binfmt_misc)"
    return
  fi
  configure "$1" >"$work/$1.log" &&
    cmake --build "$build" --parallel "$jobs" >>"$work/$1.log" || { tail -n 40 "$work/$1.log"; fail "$title: not built"; return; }
  ctest --test-dir "$build" --parallel "$jobs" --timeout 3600 --output-on-failure --output-junit "$work/$1.xml" \
    "${exclude[@]}" >>"$work/$1.log" || status=$?
  [ $status = 0 ] || { grep -A30 'tests failed out of' "$work/$1.log" || tail -n 40 "$work/$1.log"; fail "$title: tests failed"; }
  local all
  all=$(ctest --test-dir "$build" --show-only | sed -n 's/^Total Tests: //p')
  all=$((all - $(ctest --test-dir "$build" --show-only "${exclude[@]}" | sed -n 's/^Total Tests: //p')))
  [ "$all" = ${#left_out[@]} ] || fail "tests/platforms/qemu.txt has ${#left_out[@]} names, of which $all are tests"
  scripts/platforms.py record --platform "$title" --compiler "$compiler" --how "$how" --junit "$work/$1.xml" \
    --left-out ${#left_out[@]}
}

for platform in "${wanted[@]}"; do
  describe "$platform"
  case $mode in
    consumer) consumer "$platform" ;;
    core) consumer "$platform" && core "$platform" ;;
    unit) consumer "$platform" && unit "$platform" ;;
    nightly) suite "$platform" ;;
  esac
done
exit $failed
