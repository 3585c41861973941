#!/bin/sh
# Redis loads an append-only file whose end is missing, but refuses for ever to start with one that is broken in the
# middle.  Such a file is set aside, and the next start is empty: the API tells what Postgres has (StateRestored).
set -u
cd "${1:?the data folder}"
shift
trap 'if [ -n "${!:-}" ]; then kill -TERM "$!"; else exit 143; fi' TERM INT # set first: a stop may come at once
"$@" &
redis=$!
wait "$redis"
code=$?
if kill -0 "$redis" 2>/dev/null; then # it was the signal that ended the wait
  wait "$redis"
  code=$?
fi
manifest=appendonlydir/appendonly.aof.manifest
if [ "$code" -eq 1 ] && [ -f "$manifest" ] && ! redis-check-aof "$manifest" >/tmp/check.log 2>&1; then
  cat /tmp/check.log
  broken="appendonlydir.broken-$(date +%Y%m%dT%H%M%S)"
  echo "the append-only file is broken: set aside as $broken, the next start is empty"
  for older in appendonlydir.broken-*; do
    if [ -d "$older" ]; then rm -r "$older"; fi # one is kept, so that they do not fill the disk
  done
  mv appendonlydir "$broken"
fi
exit "$code"
