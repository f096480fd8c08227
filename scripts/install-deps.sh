#!/usr/bin/env bash
# Installs what is missing to build and test genie on Debian or Ubuntu.
#
#   scripts/install-deps.sh [GROUP...]      default: build
#
#   build     compiler, CMake, Ninja, Python, and the libraries of the command and the tests
#   postgres  a real server for the end-to-end tests (installed, not started)
#   check     clang, libc++, the tools of clang 19, strace, systemd-analyze, what builds
#             Debian packages, a file system in user space for the tests, and Conan from PyPI in build/venv: what
#             scripts/test.sh uses beyond `build`
#   compilers clang 16, and the tool that unpacks a newer Debian: what scripts/check-compilers.sh nightly uses beyond both
#   site      what scripts/site.sh uses: Node.js and a browser; its generator from PyPI in build/venv, and from the npm
#             registry, in build/site/npm, what the site's search and the browser's check need
#   cross     zig, from PyPI in build/venv: a compiler with the headers of macOS and FreeBSD
#   platforms cross compilers, qemu, and zig from PyPI in build/venv: what scripts/check-platforms.sh uses beyond `build`
#   windows   mingw-w64 and wine, for scripts/check-windows.sh
set -euo pipefail
cd "$(dirname "$0")/.."

build=(g++ cmake ninja-build python3 pkg-config libfmt-dev libcli11-dev nlohmann-json3-dev catch2)
postgres=(postgresql)
check=(clang libc++-dev libc++abi-dev clang-19 libclang-rt-19-dev llvm-19 clang-tidy-19 clang-format-19 strace systemd python3-venv ccache
       build-essential debhelper dpkg-dev lintian python3-fusepy)
compilers=(clang-16 mmdebstrap)
platforms=(g++-i686-linux-gnu g++-arm-linux-gnueabihf g++-aarch64-linux-gnu g++-riscv64-linux-gnu g++-s390x-linux-gnu
           qemu-user python3-venv)
windows=(g++-mingw-w64-x86-64-posix wine64)
site=(git nodejs chromium python3-venv fonts-dejavu-core)
command -v npm >/dev/null || site+=(npm)  # some builds of Node.js bring their own
optional=" npm chromium clang-16 clang-19 libclang-rt-19-dev llvm-19 clang-tidy-19 clang-format-19 "  # an older release may not have them; their checks are skipped

say() { echo "install-deps: $*"; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
available() { apt-cache show "$1" >/dev/null 2>&1; }

wanted=()
for group in "${@:-build}"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    postgres) wanted+=("${postgres[@]}") ;;
    check) wanted+=("${check[@]}") ;;
    compilers) wanted+=("${compilers[@]}") ;;
    site) wanted+=("${site[@]}") ;;
    cross) wanted+=(python3-venv) ;;
    platforms) wanted+=("${platforms[@]}") ;;
    windows) wanted+=("${windows[@]}") ;;
    *) echo "install-deps: unknown group '$group': build, postgres, check, compilers, site, cross, platforms or windows" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null; then
  say "this is neither Debian nor Ubuntu; install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null; }

missing=()
for package in "${wanted[@]}"; do installed "$package" || missing+=("$package"); done
if [ ${#missing[@]} = 0 ]; then
  say "nothing to install"
else
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    say "missing: ${missing[*]}; run this as root" >&2
    exit 1
  fi
  say "apt-get update"
  apt update
  found=()
  for package in "${missing[@]}"; do
    if [[ $optional == *" $package "* ]] && ! available "$package"; then
      say "$package does not exist here; the checks that use it will be skipped"
    else
      found+=("$package")
    fi
  done
  if [ ${#found[@]} != 0 ]; then
    say "apt-get install ${found[*]}"
    apt install -y --no-install-recommends "${found[@]}"
  fi
fi

# Ubuntu 22.04 is older than what genie needs in two places. scripts/test.sh knows where the newer ones are.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
if command -v g++ >/dev/null && ! at_least 12 "$(g++ -dumpversion)" && ! installed g++-12; then
  say "g++ is older than 12: apt-get install g++-12"
  apt install -y --no-install-recommends g++-12
fi
into_venv() { # REQUIREMENT...: from PyPI
  [ -x build/venv/bin/pip ] || python3 -m venv build/venv
  build/venv/bin/pip install --quiet --disable-pip-version-check --retries 1 --timeout 15 "$@" </dev/null
}
cmake_version=$(PATH=build/venv/bin:$PATH cmake --version 2>/dev/null | sed -n '1s/.* //p' || true)
if [ -n "$cmake_version" ] && ! at_least 3.25 "$cmake_version"; then
  say "cmake is older than 3.25: pip install cmake into build/venv"
  apt install -y --no-install-recommends python3-venv
  into_venv 'cmake>=3.25,<4'
fi
if [[ " $* " == *" check "* ]] && ! PATH=build/venv/bin:$PATH command -v conan >/dev/null; then
  say "pip install conan into build/venv"
  into_venv 'conan>=2.4,<3' || say "Conan cannot be had here; its check will be skipped"
fi
if [[ " $* " == *" site "* ]]; then
  say "pip and npm install what builds the site"
  into_venv --requirement site/requirements.txt
  mkdir -p build/site/npm
  cp site/package.json build/site/npm/
  npm install --prefix build/site/npm --no-audit --no-fund --ignore-scripts --silent </dev/null
fi
if [[ " $* " == *" cross "* || " $* " == *" platforms "* ]] && ! build/venv/bin/python -m ziglang version >/dev/null 2>&1; then
  say "pip install ziglang into build/venv"
  into_venv 'ziglang>=0.17,<0.18' || say "zig cannot be had here; its checks will be skipped"
fi
if [[ " $* " == *" check "* ]] && ! PATH=$PWD/build/bin:$PATH command -v actionlint >/dev/null && command -v go >/dev/null; then
  say "go install actionlint into build/bin"
  GOBIN=$PWD/build/bin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7 >/dev/null 2>&1 ||
    say "actionlint cannot be had here; its check will be skipped"
fi
