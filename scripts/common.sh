# What the set-up scripts share.  Sourced, with the project's root as the working folder.

say() { printf 'sevengate: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Print a Python of at least 3.11.
find_python() {
  for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14 python; do
    [ -n "$name" ] || continue
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

# Print a digest of the files named.
digest() { cat "$@" | "${PY:-python3}" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'; }
