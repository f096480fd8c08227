#!/usr/bin/env bash
# Builds the site from README.md, docs/, the reference and the sources: static files that need nothing from elsewhere.
#
#   scripts/site.sh            build/site/html; open index.html, from a server or from the disk
#   scripts/site.sh --check [PATTERN]
#                              the same, and looks at every page (whose path has PATTERN) in a headless browser, which
#                              takes some minutes: links, errors, search, width on a phone; pictures of some in
#                              build/site/screenshots
#
# Installs its generator from PyPI into build/venv, and what else it needs from the npm registry into build/site/npm.
set -euo pipefail
cd "$(dirname "$0")/.."

check=
case ${1:-} in
  "") ;;
  --check) check=yes ;;
  *) echo "usage: $0 [--check [PATTERN]]" >&2; exit 2 ;;
esac

scripts/install-deps.sh site || { echo "site: its tools cannot be installed here"; exit 77; }
out=$PWD/build/site
rm -rf "$out/html"
mkdir -p "$out"

python3 scripts/site.py "$out"
cp build/site/npm/node_modules/iframe-worker/shim/index.js "$out/pages/assets/iframe-worker.js"
# The generator's own advertisements are no concern of whoever builds the site.
NO_MKDOCS_2_WARNING=1 build/venv/bin/mkdocs build --quiet --strict --config-file "$out/mkdocs.yml"
echo "site: $(find "$out/html" -name '*.html' | wc -l) pages, $(du -sh "$out/html" | cut -f1) in build/site/html"

if [ "$check" ]; then
  browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  if [ -z "$browser" ]; then echo "site: no browser"; exit 77; fi
  if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then echo "site: Node.js is older than 18"; exit 77; fi
  cp site/check.mjs build/site/npm/
  node build/site/npm/check.mjs "$out/html" "$browser" "$out/screenshots" "${2:-}"
fi
