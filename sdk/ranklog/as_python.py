"""`ranklog-python`: the interpreter that torchrun starts its workers with, which runs each under `ranklog exec`.

torchrun starts what PYTHON_EXEC names in place of its own Python. Which Python the workers are meant to have is then
said by RANKLOG_PYTHON, or is torchrun's own.
"""

import os
import sys

FALLBACK = "python3"


def main() -> int:
    """Run Python with the arguments of `sys.argv` under `ranklog exec`, and end as it does."""
    python = os.environ.get("RANKLOG_PYTHON") or _parents_python(os.getppid()) or FALLBACK
    from ranklog.capture.command import execute

    return execute(["--", python, *sys.argv[1:]])


def _parents_python(pid: int) -> str | None:
    """The interpreter that runs the parent; None if that is no Python."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            program = os.fsdecode(file.read().partition(b"\0")[0])
    except OSError:
        return None
    return program if os.path.basename(program).startswith("python") else None


if __name__ == "__main__":
    sys.exit(main())
