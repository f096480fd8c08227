#!/usr/bin/env bash
# Checks what the public headers promise: each compiles alone, without exceptions and RTTI, and after the macros of
# careless platform headers; core headers are cheap. Uses g++, and clang++ with either standard library if installed.
#
#   scripts/check-headers.sh
#   scripts/check-headers.sh COMPILER...    all headers at once, as C++20 and C++23, with each of these instead, such as
#                                           "clang++-19 -stdlib=libc++"; nothing else is checked
set -euo pipefail
cd "$(dirname "$0")/.."

work=build/check-headers
rm -rf "$work"
mkdir -p "$work"
failed=0
fail() { echo "check-headers: $*" >&2; failed=1; }

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef -Werror)
# What is for other systems is compiled by the checks of those systems.
case $(uname) in
  Linux) foreign='bsd|freebsd|macos|windows' ;;
  Darwin) foreign='freebsd|linux|windows' ;;
  FreeBSD) foreign='linux|macos|windows' ;;
  *) foreign='bsd|freebsd|linux|macos|posix' ;;
esac
mapfile -t headers < <(cd include && find genie -name '*.hpp' | grep -vE "^genie/($foreign)/" | LC_ALL=C sort)
mapfile -t core < <(printf '%s\n' "${headers[@]}" | grep -vE '^genie/(fmt|system_error)\.hpp$|^genie/testing/')

# --- each header alone -----------------------------------------------------------------------------------------------
# Hostile macros are defined after the system's headers, which may use those names, and before genie's.
{
  (cd include && grep -rhoE '^ *# *include <[^>]+>' genie | grep -v '<genie/' | grep -oE '<.*>' | LC_ALL=C sort -u) |
    while read -r name; do printf '#if __has_include(%s)\n#include %s\n#endif\n' "$name" "$name"; done
  for macro in min max ERROR near far small interface signals slots emit; do
    printf '#undef %s\n#define %s ] hostile macro [\n' "$macro" "$macro"
  done
} >"$work/hostile.hpp"

compilers=("$@")
standards=(20 2b)  # GCC 12 and Clang 14 know C++23 by this name
if [ $# = 0 ]; then compilers=("${CXX:-g++}") standards=(20); fi
# What scripts/check-compilers.sh leaves to a run without arguments.
if [ "${GENIE_STANDARDS:-}" ]; then read -ra standards <<<"$GENIE_STANDARDS"; fi
if [ $# = 0 ] && command -v clang++ >/dev/null; then
  compilers+=(clang++)
  if echo '#include <concepts>' | clang++ -std=c++20 -stdlib=libc++ -fsyntax-only -x c++ - 2>/dev/null; then
    compilers+=('clang++ -stdlib=libc++')
  fi
fi

for header in "${headers[@]}"; do
  # Twice, because the second inclusion must add nothing.
  printf '#include <%s>\n#include <%s>\n' "$header" "$header" >"$work/${header//\//-}.cpp"
done

jobs_list=$work/jobs
printf '#include <%s>\n' "${headers[@]}" >"$work/all.cpp"
printf '#include <%s>\n' "${core[@]}" genie/system_error.hpp genie/fmt.hpp >"$work/all-bare.cpp"
alone=
for compiler in "${compilers[@]}"; do
  for standard in "${standards[@]}"; do
    compile="$compiler -std=c++$standard -fsyntax-only -Iinclude ${warnings[*]}"
    # The tools for tests stand on the standard library; nothing else may need exceptions or RTTI.
    bare="-fno-exceptions -fno-rtti"
    echo "$compile $work/all.cpp"
    echo "$compile $bare -include $work/hostile.hpp $work/all-bare.cpp"
    echo "$compile -include $work/hostile.hpp $work/all.cpp"
    # Which header needs which other depends neither on the compiler nor on the standard.
    if [ $# != 0 ] || [ "$alone" ]; then continue; fi
    alone=yes
    for header in "${headers[@]}"; do
      case $header in
        genie/testing/*) echo "$compile $work/${header//\//-}.cpp" ;;
        *) echo "$compile $bare $work/${header//\//-}.cpp" ;;
      esac
    done
  done
done >"$jobs_list"
if xargs -P "${GENIE_JOBS:-2}" -I{} sh -c '{} || { echo "failed: {}"; exit 1; }' <"$jobs_list" >&2; then
  echo "${#headers[@]} headers$([ $# != 0 ] || echo ", each alone, and all together") with: $(IFS=,; echo "${compilers[*]}"): $(wc -l <"$jobs_list") compilations"
else
  fail "not every header compiles alone"
fi
[ $# = 0 ] || exit $failed

# --- what a core header may include ----------------------------------------------------------------------------------
forbidden='concepts|compare|type_traits|utility|chrono|filesystem|iostream|functional|memory|thread|regex|system_error|string|string_view|optional|fmt/.*'
if (cd include && grep -nE "^ *# *include <($forbidden)>" "${core[@]}") >&2; then
  fail "the headers above are too dear for core headers"
fi

# --- what an include of genie costs ----------------------------------------------------------------------------------
lines() { echo "#include <$1>" | "${CXX:-g++}" -std=c++20 -Iinclude -E -P -x c++ - | wc -l; }
genie=$(lines genie/serve_guard.hpp)
string=$(lines string)
echo "preprocessed lines: genie/serve_guard.hpp $genie, string $string"
[ "$genie" -lt "$string" ] || fail "an include of genie must cost less than one of <string>"

exit $failed
