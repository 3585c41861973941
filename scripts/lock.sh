#!/bin/sh
# Regenerate the requirements*.lock files: hashes, every platform, no registry's address.
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
    --no-emit-find-links --no-header "$@"
}
lock pyproject.toml -o requirements.lock
lock --group scanner -c requirements.lock -o requirements-scanner.lock
lock --group alerts -c requirements.lock -o requirements-alerts.lock
lock pyproject.toml --group local -c requirements.lock -o requirements-local.lock
lock pyproject.toml --group traces -c requirements.lock -o requirements-traces.lock
lock pyproject.toml --group local --group traces --group dev -c requirements-local.lock -o requirements-dev.lock
if grep -nE '^(--|.*@ (https?|file):)' requirements*.lock | grep -v hash; then
  fail "a lock file names an address"
fi
