#!/bin/sh
# Create .venv and install exactly what the lock names; build kernels and dashboard.  Does nothing when that is done.
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
version=$("$python" -c 'import sys; print(sys.version_info[:2])')
wanted="$version $(digest "$LOCK")"
everything="$version $(digest requirements-dev.lock)" # what the tests need includes the rest
held=$(cat "$STAMP" 2>/dev/null || true)

if [ ! -x .venv/bin/python ] || { [ "$held" != "$wanted" ] && [ "$held" != "$everything" ]; }; then
  # an environment that somebody made is never removed here, only completed or complained about
  if [ -e .venv ] && ! .venv/bin/python -c '' >/dev/null 2>&1; then
    fail ".venv is there but its Python does not run: move it away ('make clean' removes it) and try again"
  fi
  if [ ! -e .venv ]; then
    say "making .venv with $python"
    "$python" -m venv .venv || fail "'$python -m venv' failed (on Debian: apt-get install python3-venv); remove .venv and try again"
  fi
  if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
    .venv/bin/python -m ensurepip --upgrade >/dev/null || fail ".venv has no pip, and it could not be added"
  fi
  say "installing what $LOCK names (some minutes the first time)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK" ||
    fail "the packages could not be installed: is the network there? Run 'make setup' again; it goes on where it stopped"
  printf '%s\n' "$wanted" >"$STAMP"
fi

.venv/bin/python -m shared.kernels.build || say "going on with kernels that are not compiled: same values, slower analyses"

case ${SEVENGATE_DASHBOARD:-needed} in
  skipped) ;;
  optional) sh scripts/dashboard.sh build || say "going on without the dashboard; the rest works" ;;
  *) sh scripts/dashboard.sh build ;;
esac
