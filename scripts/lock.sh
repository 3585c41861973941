#!/bin/sh
# Regenerate requirements.lock, requirements-local.lock and requirements-dev.lock: hashes, every platform, no registry's address.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

python=$(find_python) || fail "Python 3.11 or newer is needed"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check uv
lock() {
  "$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-header pyproject.toml "$@"
}
lock -o requirements.lock
lock --group local -c requirements.lock -o requirements-local.lock
lock --group local --group dev -c requirements-local.lock -o requirements-dev.lock
if grep -nE '^(--|.*@ (https?|file):)' requirements*.lock | grep -v hash; then
  fail "a lock file names an address"
fi
