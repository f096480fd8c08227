#!/usr/bin/env bash
# Makes a prefix with what the command and the tests need, as headers alone: for compilers, standard libraries and
# targets that the distribution's libraries were not built for. Pass it as CMAKE_PREFIX_PATH.
#
#   scripts/header-only-deps.sh PREFIX
#
# Needs Catch2 2, whose header has everything (Debian 12, Ubuntu 22.04); exits with 77 where only a later one is installed.
set -euo pipefail
prefix=$1

if [ ! -f /usr/include/catch2/catch.hpp ]; then
  echo "the Catch2 of this distribution is a library, not a header; other targets are not checked here"
  exit 77
fi
rm -rf "$prefix"
mkdir -p "$prefix/include" "$prefix/lib/cmake"/{fmt,Catch2,CLI11,nlohmann_json}
# Links, because a compiler for another target must not see the other headers in /usr/include.
ln -s /usr/include/{fmt,catch2,CLI,nlohmann} "$prefix/include/"

config() { # PACKAGE NAMESPACE VERSION TARGET...
  local package=$1 namespace=$2 version=$3 target
  shift 3
  echo 'include_guard()' > "$prefix/lib/cmake/$package/${package}Config.cmake"
  for target in "$@"; do
    echo "add_library(${namespace}::$target INTERFACE IMPORTED)"
    echo "target_include_directories(${namespace}::$target SYSTEM INTERFACE $prefix/include)"
  done >>"$prefix/lib/cmake/$package/${package}Config.cmake"
  printf 'set(PACKAGE_VERSION %s)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n' "$version" \
    >"$prefix/lib/cmake/$package/${package}ConfigVersion.cmake"
}
version() { dpkg-query -W -f '${source:Upstream-Version}' "$1"; }

config fmt fmt "$(version libfmt-dev)" fmt fmt-header-only
# Both are the header here.
echo 'target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY=1)
target_compile_definitions(fmt::fmt-header-only INTERFACE FMT_HEADER_ONLY=1)' >>"$prefix/lib/cmake/fmt/fmtConfig.cmake"
config CLI11 CLI11 "$(version libcli11-dev)" CLI11
config nlohmann_json nlohmann_json "$(version nlohmann-json3-dev)" nlohmann_json
config Catch2 Catch2 "$(version catch2)" Catch2
# A test program tells its cases, through an emulator if need be.
find /usr/lib /usr/share \( -path '*Catch2/Catch.cmake' -o -path '*Catch2/CatchAddTests.cmake' \) \
  -exec cp -t "$prefix/lib/cmake/Catch2" {} +
# genie asks for major version 3 first; this is none.
sed -i 's/^set(PACKAGE_VERSION_COMPATIBLE TRUE)/if(NOT PACKAGE_FIND_VERSION_MAJOR EQUAL 3)\n  &\nendif()/' \
  "$prefix/lib/cmake/Catch2/Catch2ConfigVersion.cmake"
echo "list(APPEND CMAKE_MODULE_PATH \${CMAKE_CURRENT_LIST_DIR})" >>"$prefix/lib/cmake/Catch2/Catch2Config.cmake"
