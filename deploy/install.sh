#!/bin/sh
# Install a lock's packages into /opt/venv, and copy what that adds to a folder: deploy/install.sh LOCK [FOLDER]
set -eu
lock=$1 added=${2:-}
began=$(mktemp)
sleep 1 # files of the same second are new
python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes -r "$lock"
for package in numpy pandas pyarrow scipy; do
  find /opt/venv/lib/python3*/site-packages -path "*/$package/*" -type d -name tests -prune -exec rm -r {} +
done
rm -rf /opt/venv/lib/python3*/site-packages/pyarrow/include
[ -n "$added" ] || exit 0
mkdir "$added"
tar -C /opt/venv --newer-mtime="$began" -cf - . | tar -C "$added" -xf -
