# Print one package's block of a lock file: awk -v package=NAME -f pick_locked.awk requirements-dev.lock
/^[^ #]/ { inside = index($0, package "==") == 1 }
inside
