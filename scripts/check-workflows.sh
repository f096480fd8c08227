#!/usr/bin/env bash
# Checks .github/workflows with actionlint, and that every script that they call is there. Exits with 77 where there is no
# actionlint (scripts/install-deps.sh builds it where there is Go).
set -euo pipefail
cd "$(dirname "$0")/.."

for script in $(grep -ohE 'scripts/[a-z-]+\.(sh|py)' .github/workflows/*.yml | sort -u); do
  [ -x "$script" ] || { echo "check-workflows: $script is called, but is no executable file" >&2; exit 1; }
done
PATH=$PWD/build/bin:$PATH
command -v actionlint >/dev/null || { echo "no actionlint: the workflows are not checked"; exit 77; }
actionlint -no-color .github/workflows/*.yml
echo "workflows: $(ls .github/workflows/*.yml | wc -l) accepted by actionlint $(actionlint --version | sed -n 1p)"
