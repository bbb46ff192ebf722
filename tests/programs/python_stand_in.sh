#!/bin/sh
# Stands in for what torchrun is given as its Python: runs that of its parent by the other stand-in.
python=${RANKLOG_PYTHON:-$(tr '\0' '\n' <"/proc/$PPID/cmdline" | head -n 1)}
exec "$(dirname "$0")/exec_stand_in.sh" exec -- "$python" "$@"
