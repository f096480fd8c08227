#!/usr/bin/env bash
# Builds and runs a small consumer for each way to get genie: find_package, add_subdirectory, FetchContent, pkg-config,
# the one header copied into an empty folder, and the Conan package where there is Conan.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/build/check-packages
rm -rf "$work"
mkdir -p "$work"
cxx=${CXX:-g++}

quietly() { # COMMAND...: shows the output only of what fails
  "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }
}

run() { # PROGRAM: in a fresh state directory
  local state
  state=$(mktemp -d)
  "$1" "$state/state"
  rm -rf "$state"
}

cmake_consumer() { # NAME ARGUMENT...: configures, builds and runs tests/package/NAME
  local name=$1
  shift
  quietly cmake -G Ninja -S "tests/package/$name" -B "$work/$name" "$@"
  quietly cmake --build "$work/$name"
  run "$work/$name/consumer"
  echo "$name: built and ran"
}

quietly cmake --preset release
quietly cmake --build --preset release
quietly cmake --install build/release --prefix "$work/stage"
"$work/stage/bin/genie" --version
# A package must not remember where it was built, so what is used is a copy at another place.
mv "$work/stage" "$work/moved"

export PKG_CONFIG_PATH=$work/moved/share/pkgconfig
cmake_consumer find_package -DCMAKE_PREFIX_PATH="$work/moved" -DGENIE_VERSION="$(pkg-config --modversion genie)"
run "$work/find_package/fmt_consumer"
cmake_consumer add_subdirectory -DGENIE_SOURCE="$root"
cmake_consumer fetch_content -DGENIE_SOURCE="$root"

read -ra flags < <(pkg-config --cflags genie)
"$cxx" -std=c++20 "${flags[@]}" tests/package/main.cpp -o "$work/pkg_config"
run "$work/pkg_config"
echo "pkg_config: built and ran"

mkdir -p "$work/single_header/genie"
cp single_include/genie/serve_guard.hpp "$work/single_header/genie/"
cp tests/package/main.cpp "$work/single_header/"
(cd "$work/single_header" && "$cxx" -std=c++20 -I. main.cpp)
run "$work/single_header/a.out"
echo "single_header: built and ran"

if command -v conan >/dev/null; then
  # With nothing but what is on this machine: no remote, and the system's fmt.
  export CONAN_HOME=$work/conan
  quietly conan profile detect
  printf 'include(default)\n[platform_requires]\nfmt/%s\n' "$(pkg-config --modversion fmt)" >"$CONAN_HOME/profiles/system"
  for option in with_fmt=False with_fmt=True; do
    quietly conan create conan -pr system -s compiler.cppstd=20 -o "&:$option" -nr
    echo "conan, $option: created, built and ran"
  done
else
  echo "conan: not checked, there is none here"
fi
