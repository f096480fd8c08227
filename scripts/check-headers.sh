#!/usr/bin/env bash
# Checks what the public headers promise: each compiles alone, without exceptions and RTTI, and after the macros of
# careless platform headers; core headers are cheap. Uses g++, and clang++ with either standard library if installed.
set -euo pipefail
cd "$(dirname "$0")/.."

work=build/check-headers
rm -rf "$work"
mkdir -p "$work"
failed=0
fail() { echo "check-headers: $*" >&2; failed=1; }

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wundef -Werror)
# Those for Windows are checked by scripts/check-windows.sh.
mapfile -t headers < <(cd include && find genie -name '*.hpp' -not -path 'genie/windows/*' | LC_ALL=C sort)
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

compilers=("${CXX:-g++}")
if command -v clang++ >/dev/null; then
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
for compiler in "${compilers[@]}"; do
  compile="$compiler -std=c++20 -fsyntax-only -Iinclude ${warnings[*]}"
  # Which header needs which other does not depend on the standard library.
  if [[ $compiler == *libc++ ]]; then
    echo "$compile $work/all.cpp"
    continue
  fi
  for header in "${headers[@]}"; do
    source=$work/${header//\//-}.cpp
    echo "$compile $source"
    # The tools for tests stand on the standard library; nothing else may need exceptions or RTTI.
    bare='-fno-exceptions -fno-rtti'
    [[ $header != genie/testing/* ]] || bare=
    echo "$compile $bare -include $work/hostile.hpp $source"
  done
done >"$jobs_list"
if xargs -P "${GENIE_JOBS:-2}" -I{} sh -c '{} || { echo "failed: {}"; exit 1; }' <"$jobs_list" >&2; then
  echo "${#headers[@]} headers alone with: $(IFS=,; echo "${compilers[*]}"): $(wc -l <"$jobs_list") compilations"
else
  fail "not every header compiles alone"
fi

# --- what a core header may include ----------------------------------------------------------------------------------
forbidden='chrono|filesystem|iostream|functional|memory|thread|regex|system_error|string|string_view|optional|fmt/.*'
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
