#!/usr/bin/env bash
# Builds and runs a small consumer for each way to get genie: find_package, add_subdirectory, FetchContent of an archive,
# pkg-config, the one header copied into an empty folder, the Debian package, the vcpkg port, and the Conan package.
#
# What is not installed here is said, and not checked. vcpkg itself is never run: its registry and its tool come from
# GitHub. The portfile is run by tests/package/vcpkg.cmake, which does what vcpkg's documentation says of the functions used.
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

consumer() { # FOLDER NAME ARGUMENT...: configures tests/package/NAME in FOLDER, builds and runs it
  local folder=$1 name=$2
  shift 2
  quietly cmake -G Ninja -S "tests/package/$name" -B "$folder" "$@"
  quietly cmake --build "$folder"
  run "$folder/consumer"
}

cmake_consumer() { # NAME ARGUMENT...
  consumer "$work/$1" "$@"
  echo "$1: built and ran"
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
tar -C "$root" --exclude=./build --exclude=./.git --transform 's,^\.,genie,' -czf "$work/genie.tar.gz" .
cmake_consumer fetch_content -DGENIE_ARCHIVE="$work/genie.tar.gz" -DGENIE_SHA256="$(sha256sum "$work/genie.tar.gz" | cut -c-64)"

read -ra flags < <(pkg-config --cflags genie)
"$cxx" -std=c++20 "${flags[@]}" tests/package/main.cpp -o "$work/pkg_config"
run "$work/pkg_config"
echo "pkg_config: built and ran"

# Two files in a folder, and no option but the language. Compilers whose default is older say what they need.
mkdir "$work/single_header"
cp single_include/genie/serve_guard.hpp "$work/single_header/"
sed 's/<genie\/serve_guard.hpp>/"serve_guard.hpp"/' tests/package/main.cpp >"$work/single_header/main.cpp"
(
  cd "$work/single_header"
  "$cxx" -std=c++20 main.cpp
  run ./a.out
  rm a.out
  if "$cxx" main.cpp 2>said; then
    run ./a.out
    echo "single_header: built and ran, also without -std=c++20"
  else
    sed '/error/!d;q' said | grep -F 'genie needs C++20: compile with -std=c++20'
    echo "single_header: built and ran; without -std=c++20, the first error says that it is missing"
  fi
)

# --- packages that state the version once more -----------------------------------------------------------------------
version=$(pkg-config --modversion genie)
states() { # FILE VERSION
  [ "$2" = "$version" ] || { echo "$1 is of version $2, genie of $version" >&2; return 1; }
}

port=packaging/vcpkg/genie
states $port/vcpkg.json "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["version"])' $port/vcpkg.json)"
quietly cmake -DPORT_DIR="$root/$port" -DWORK="$work/vcpkg" -P tests/package/vcpkg.cmake
consumer "$work/vcpkg/consumer" find_package -DCMAKE_PREFIX_PATH="$work/vcpkg/installed" -DGENIE_VERSION="$version"
PKG_CONFIG_PATH=$work/vcpkg/installed/share/pkgconfig pkg-config --cflags genie | grep -qF "$work/vcpkg/installed"
echo "vcpkg: the portfile's steps ran, and what they installed was used; vcpkg itself was not run"

states packaging/debian/changelog "$(sed -n '1s/.*(\(.*\)-[0-9]*).*/\1/p' packaging/debian/changelog)"
if command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null && command -v lintian >/dev/null; then
  mkdir "$work/debian"
  tar -C "$work/debian" -xzf "$work/genie.tar.gz"
  mv "$work/debian/genie" "$work/debian/genie-$version"
  mv "$work/debian/genie-$version/packaging/debian" "$work/debian/"
  tar -C "$work/debian" -czf "$work/debian/genie_$version.orig.tar.gz" "genie-$version"
  mv "$work/debian/debian" "$work/debian/genie-$version/"
  (cd "$work/debian/genie-$version" && quietly dpkg-buildpackage -us -uc)
  quietly lintian --fail-on error,warning "$work/debian/genie_$version"-*.changes
  dpkg-deb -x "$work"/debian/libgenie-dev_*.deb "$work/debian/installed"
  consumer "$work/debian/consumer" find_package -DCMAKE_PREFIX_PATH="$work/debian/installed/usr" -DGENIE_VERSION="$version"
  echo "debian: libgenie-dev built, accepted by lintian, and used"
else
  echo "debian: not checked, there is no debhelper or no lintian here"
fi

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
