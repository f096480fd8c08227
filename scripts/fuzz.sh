#!/usr/bin/env bash
# Looks for inputs that a codec of genie does not read as it promises, with libFuzzer and sanitizers.
#
#   scripts/fuzz.sh [SECONDS]             all fuzz programs, two at once, for about SECONDS in all (default 60)
#   scripts/fuzz.sh nightly               the same for half an hour
#   scripts/fuzz.sh reproduce CODEC FILE  one input
#   scripts/fuzz.sh merge DIRECTORY       adds to the committed corpus what DIRECTORY/CODEC/ has beyond it, made small
#
# GENIE_FUZZ_SEED=N makes another run than the usual one. Starts from tests/fuzz/corpus/; an input that is a finding is
# left in build/fuzz/. Exits with 77 where no libFuzzer is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
case ${1:-} in
  "" | reproduce | merge) ;;
  nightly) seconds=1800 ;;
  *[!0-9]*) echo "usage: $0 [SECONDS | nightly | reproduce CODEC FILE | merge DIRECTORY]" >&2; exit 2 ;;
  *) seconds=$1 ;;
esac

codecs=(pid_record port_record endpoint_record sentinel_record lock_record boot_record failure_record text)
jobs=${GENIE_JOBS:-2}
seed=${GENIE_FUZZ_SEED:-1}
out=$PWD/build/fuzz
flags=(-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
  -Iinclude -Itests)
mkdir -p "$out"

compiler=
for candidate in clang++-19 clang++; do
  command -v "$candidate" >/dev/null || continue
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    "$candidate" -fsanitize=fuzzer,address,undefined -x c++ - -o "$out/probe" 2>/dev/null || continue
  compiler=$candidate
  break
done
[ "$compiler" ] || { echo "no clang++ with a libFuzzer runtime (libclang-rt-dev)"; exit 77; }

build() { # CODEC...: into build/fuzz
  printf '%s\n' "$@" | xargs -P "$jobs" -I{} "$compiler" "${flags[@]}" tests/fuzz/{}.cpp -o "$out"/{}
}

case ${1:-} in
  reproduce)
    build "$2"
    exec "$out/$2" -timeout=10 "$3"
    ;;
  merge)
    build "${codecs[@]}"
    for codec in "${codecs[@]}"; do
      "$out/$codec" -merge=1 -use_counters=0 -max_len=1200 "tests/fuzz/corpus/$codec" "$2/$codec" 2>&1 | tail -n 1
    done
    exit
    ;;
esac

# libFuzzer writes new units to the first directory: a copy, the committed corpus changes only by `merge`.
units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
build "${codecs[@]}"
rounds=$(((${#codecs[@]} + jobs - 1) / jobs))
each=$(((seconds - SECONDS) / rounds))
if [ "$each" -lt 2 ]; then each=2; fi

fuzz() { # CODEC: its whole output is in build/fuzz/CODEC.log
  local codec=$1
  mkdir -p "$units/$codec"
  rm -f "$out/$codec-"*
  if "$out/$codec" -seed="$seed" -max_total_time="$each" -timeout=10 -rss_limit_mb=2048 -max_len=1200 -print_final_stats=1 \
    -artifact_prefix="$out/$codec-" "$units/$codec" "tests/fuzz/corpus/$codec" >"$out/$codec.log" 2>&1; then
    echo "$codec: $(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$codec.log") inputs, no finding"
    return
  fi
  local artifact
  artifact=$(find "$out" -name "$codec-*" -type f | head -n 1)
  echo "$codec: FAILED"
  grep -m 1 -A 1 'does not hold' "$out/$codec.log" || grep -m 3 -E 'ERROR|runtime error|SUMMARY' "$out/$codec.log" || true
  [ -z "$artifact" ] || echo "  reproduce: scripts/fuzz.sh reproduce $codec ${artifact#"$PWD"/}"
  echo "  output: build/fuzz/$codec.log"
  return 1
}

# Each waits for a free one of the $jobs places.
echo "seed $seed, $each s each"
failed=0
running=0
for codec in "${codecs[@]}"; do
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  fi
  fuzz "$codec" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=$((failed + 1))
  running=$((running - 1))
done
[ "$failed" = 0 ]
