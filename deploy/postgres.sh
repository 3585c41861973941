#!/bin/sh
# Start Postgres as its own user from the first moment, without the rights that changing users takes.
set -eu
umask 077
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb -D "$PGDATA.new" -U postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 --encoding=UTF8 --locale=C
  echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
  echo 'CREATE DATABASE sevengate' | postgres --single -D "$PGDATA.new" postgres >/dev/null
  mv "$PGDATA.new" "$PGDATA" # a first start that was interrupted begins again
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
