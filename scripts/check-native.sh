#!/usr/bin/env bash
# Builds genie and runs its tests on this machine with a compiler of its own, and records that for docs/platforms.md: what
# the workflows do on systems for which scripts/test.sh has no packages to install.
#
#   scripts/check-native.sh PLATFORM COMPILER [CMAKE-ARGUMENT...]      e.g. "macOS 14, arm64" "Apple Clang"
#
# Needs CMake 3.25 and Python; libraries that are not installed are downloaded (cmake/Dependencies.cmake).
set -euo pipefail
cd "$(dirname "$0")/.."
platform=$1 compiler=$2
shift 2

build=build/native
results=$PWD/build/native.xml
status=0
cmake -S . -B $build -DCMAKE_BUILD_TYPE=Debug -DGENIE_WERROR=ON -DGENIE_BUILD_VERIFICATION=OFF "$@"
cmake --build $build --config Debug --parallel "${GENIE_JOBS:-2}"
ctest --test-dir $build --build-config Debug --output-on-failure --timeout 300 --parallel "${GENIE_JOBS:-2}" \
  --output-junit "$results" || status=$?
"${PYTHON:-python3}" scripts/platforms.py record --platform "$platform" --compiler "$compiler" --how "run natively" \
  --junit "$results"
exit $status
