#!/bin/sh
# Write the secrets that kustomization.yaml names, each once: what is there already stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
once() { [ -s "secrets/$1" ] || printf '%s' "$2" >"secrets/$1"; }
once redis-password "$(random)"
once postgres-password "$(random)"
once api-key "$(random)"
once settings-key "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n')"
[ -e secrets/telegram-token ] || : >secrets/telegram-token
[ -e secrets/jobs-redis-url ] || : >secrets/jobs-redis-url # empty: the jobs are on the bus's Redis
redis=$(cat secrets/redis-password)
once redis-url "redis://:$redis@redis:6379/0"
once database-url "postgresql://postgres:$(cat secrets/postgres-password)@postgres:5432/sevengate"
once redis.conf "dir /data
appendonly yes
appendfsync everysec
aof-load-truncated yes
save \"\"
protected-mode yes
requirepass $redis
"
echo "secrets/: keep a copy where the cluster is not"
