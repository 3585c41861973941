#!/bin/sh
# Create .venv and install exactly what the lock names; build the dashboard.  Does nothing when that is done.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

LOCK=${SEVENGATE_LOCK:-requirements-dev.lock}
STAMP=.venv/.sevengate-setup

# one set-up at a time: `make demo` and `make test` may be started together
if command -v flock >/dev/null 2>&1 && [ -z "${SEVENGATE_SETUP_LOCKED:-}" ]; then
  SEVENGATE_SETUP_LOCKED=1 exec flock .gitignore sh "$0" "$@"
fi

python=$(find_python) || fail "Python 3.11 or newer is needed (apt-get install python3 python3-venv, or PYTHON=/path/to/python3)"
PY=$python
wanted="$("$python" -c 'import sys; print(sys.version_info[:2])') $(digest "$LOCK")"

if [ ! -x .venv/bin/python ] || [ "$(cat "$STAMP" 2>/dev/null || true)" != "$wanted" ]; then
  # a Python that has gone leaves a .venv that cannot be repaired
  if [ -e .venv ] && ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then rm -rf .venv; fi
  if [ ! -x .venv/bin/python ]; then
    say "making .venv with $python"
    "$python" -m venv .venv || { rm -rf .venv; fail "'$python -m venv' failed (on Debian: apt-get install python3-venv)"; }
  fi
  say "installing what $LOCK names (some minutes the first time)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK" ||
    fail "the packages could not be installed: is the network there? Run 'make setup' again; it goes on where it stopped"
  printf '%s\n' "$wanted" >"$STAMP"
fi

sh scripts/dashboard.sh build
