"""Writes what the launcher gave a rank, as FOLDER/<rank>.json.

usage: envdump.py FOLDER
"""

import json
import os
import sys
from pathlib import Path

from rank import own_rank

COMMON = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "LS_COLORS"}

facts = {
    "argv": sys.argv,
    "cwd": os.getcwd(),
    "descriptors": [os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in range(3)],
    "environment": {name: value for name, value in sorted(os.environ.items()) if name not in COMMON},
    "hostname": os.uname().nodename,
    "isatty": os.isatty(1),
    "parent": Path(f"/proc/{os.getppid()}/comm").read_text().strip(),
    "pid": os.getpid(),
}
Path(sys.argv[1], f"{own_rank()}.json").write_text(json.dumps(facts, indent=1))
