#!/usr/bin/env bash
# Compiles genie for macOS and FreeBSD with zig's clang, libc++ and headers of these systems, which come from PyPI:
# nothing of it is executed, here or anywhere. See docs/macos-freebsd.md.
#
#   scripts/check-macos-freebsd.sh            each public header, the whole protocol and the single header, compiled with
#                                             every warning
#   scripts/check-macos-freebsd.sh nightly    the same linked, and without exceptions and RTTI; the examples, the unit tests
#                                             and the command, linked; clang-tidy
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(x86_64-macos aarch64-macos x86_64-freebsd)
nightly=
case ${1:-} in
  "") ;;
  nightly) nightly=yes ;;
  *) echo "usage: $0 [nightly]" >&2; exit 2 ;;
esac

python=build/venv/bin/python
# The headers of the command's and the tests' libraries, and clang-tidy.
[ ! "$nightly" ] || scripts/install-deps.sh build check cross
if ! $python -m ziglang version 2>/dev/null | grep -Eq '^0\.(1[7-9]|[2-9][0-9])\.'; then
  scripts/install-deps.sh cross
  $python -m ziglang version >/dev/null || { echo "zig cannot be had here"; exit 77; }
fi
command -v clang-tidy-19 >/dev/null || clang_tidy_missing=yes

work=build/cross
rm -rf "$work"
mkdir -p "$work/include"
failed=0
fail() { echo "check-macos-freebsd: $*" >&2; failed=1; }

# The system's own directory of headers has other things in it that are Linux's.
for library in fmt CLI nlohmann catch2; do
  [ -d "/usr/include/$library" ] && cp -r "/usr/include/$library" "$work/include/"
done
has() { [ -d "$work/include/$1" ]; }

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef -Werror)
compile=("$python" -m ziglang c++ -std=c++20 -isystem "$work/include" -DFMT_HEADER_ONLY)
zig() { # TARGET ARGUMENT...
  local target=$1
  shift
  "${compile[@]}" -target "$target" "${warnings[@]}" "$@" -Iinclude
}

# --- every header, and everything in them ----------------------------------------------------------------------------
(cd include && find genie -name '*.hpp' | LC_ALL=C sort) | grep -Ev '^genie/(linux|windows)/' >"$work/headers"
has fmt || { sed -i '\#^genie/fmt\.hpp$#d' "$work/headers"; echo "no fmt: genie/fmt.hpp is left out"; }
headers_of() { sed 's/.*/#include <&>/'; }
{ headers_of <"$work/headers" && grep -v "^#include <genie/" tests/cross/main.cpp; } >"$work/everything.cpp"
grep -Ev '^genie/(fmt|system_error)\.hpp$|^genie/testing/' "$work/headers" >"$work/core_headers"
{ headers_of <"$work/core_headers" && grep -v "^#include <genie/" tests/cross/main.cpp; } >"$work/core.cpp"
echo '#include <genie/ensure.hpp>' >"$work/single.cpp"
for target in "${targets[@]}"; do
  zig "$target" -O0 -c "$work/everything.cpp" -o "$work/everything-$target.o" || fail "everything, $target"
  zig "$target" -O0 -Isingle_include -c "$work/single.cpp" -o "$work/single-$target.o" || fail "the single header, $target"
done
recorded() { # NOTE: for docs/platforms.md
  local target system
  [ $failed = 0 ] || return 0
  for target in "${targets[@]}"; do
    case $target in
      *-macos) system=macOS ;;
      *) system=FreeBSD ;;
    esac
    scripts/platforms.py record --platform "$system ${target%-*}" --compiler "zig c++ $($python -m ziglang version), libc++" \
      --how "compiled and linked only" --note "$1"
  done
}
# For the first link, zig builds the libraries of each system, which takes minutes.
[ "$nightly" ] || exit $failed
for target in "${targets[@]}"; do
  zig "$target" "$work/everything-$target.o" -o "$work/everything-$target" || fail "everything, linked, $target"
done
recorded "all headers, the whole protocol"

# --- without exceptions and RTTI, optimised, linked ------------------------------------------------------------------
for target in "${targets[@]}"; do
  zig "$target" -O2 -fno-exceptions -fno-rtti "$work/core.cpp" -o "$work/protocol-$target" ||
    fail "the protocol, $target"
  file "$work/protocol-$target" 2>/dev/null | cut -c1-120 || true
done

# --- programs --------------------------------------------------------------------------------------------------------
# -Wno-c2y-extensions: __COUNTER__, in macros of Catch2, which also takes one of <cfloat>'s for granted.
tests=()
if has catch2; then
  mapfile -t tests < <(find tests/unit -name '*_test.cpp' -not -path '*/linux/*' | LC_ALL=C sort)
  printf '#include "../../%s"\n' tests/main.cpp "${tests[@]}" >"$work/unit_tests.cpp"
fi
is_for_linux() { sed -n '/^#/q; p' "$1" | grep "^// Linux only" >/dev/null; }
for target in "${targets[@]}"; do
  if has fmt && has CLI && has nlohmann; then
    zig "$target" -O0 -g0 cli/*.cpp -o "$work/genie-$target" || fail "the command, $target"
  fi
  if has fmt; then
    for example in examples/*.cpp; do
      if is_for_linux "$example"; then continue; fi
      zig "$target" -O0 "$example" -o "$work/$(basename "$example" .cpp)-$target" || fail "$example, $target"
    done
  fi
  if [ ${#tests[@]} != 0 ] && has fmt; then
    zig "$target" -O0 -g0 -Itests -Wno-c2y-extensions -DDBL_MAX_10_EXP=__DBL_MAX_10_EXP__ "$work/unit_tests.cpp" -o "$work/unit_tests-$target" ||
      fail "the unit tests, $target"
  fi
done

recorded "all headers, the whole protocol; the command, the examples, the unit tests"

# --- clang-tidy ------------------------------------------------------------------------------------------------------
if [ "${clang_tidy_missing:-}" ]; then
  echo "no clang-tidy-19"
else
  zig_lib=$($python -c 'import ziglang, os; print(os.path.join(os.path.dirname(ziglang.__file__), "lib"))')
  # As zig configures its libc++.
  libcxx=()
  for setting in HARDENING_MODE=_LIBCPP_HARDENING_MODE_NONE ASSERTION_SEMANTIC_DEFAULT=_LIBCPP_ASSERTION_SEMANTIC_IGNORE \
    ABI_VERSION=1 ABI_NAMESPACE=__1 HAS_THREADS=1 HAS_MUSL_LIBC=0 HAS_VENDOR_AVAILABILITY_ANNOTATIONS=0 \
    HAS_FILESYSTEM=1 HAS_LOCALIZATION=1 HAS_UNICODE=1 HAS_WIDE_CHARACTERS=1 HAS_TERMINAL=1 HAS_RANDOM_DEVICE=1 \
    HAS_MONOTONIC_CLOCK=1 PSTL_BACKEND_SERIAL; do
    libcxx+=("-D_LIBCPP_$setting")
  done
  tidy() { # TARGET-TRIPLE ARGUMENT...
    local triple=$1
    shift
    clang-tidy-19 --quiet "$work/core.cpp" -- "--target=$triple" -std=c++20 -nostdinc -nostdinc++ \
      -isystem "$zig_lib/libcxx/include" -isystem "$zig_lib/libcxxabi/include" -isystem "$zig_lib/include" "$@" \
      "${libcxx[@]}" -Iinclude || fail "clang-tidy, $triple"
  }
  tidy x86_64-apple-macosx15.0.0 -isystem "$zig_lib/libc/include/any-darwin-any"
  tidy aarch64-apple-macosx15.0.0 -isystem "$zig_lib/libc/include/any-darwin-any"
  tidy x86_64-unknown-freebsd14.0 -D__FreeBSD_version=1400500 \
    -isystem "$zig_lib/libc/include/x86_64-freebsd-none" -isystem "$zig_lib/libc/include/generic-freebsd"
fi
exit $failed
