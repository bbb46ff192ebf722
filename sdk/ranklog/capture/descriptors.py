"""The descriptors that `ranklog exec` inherits: the command's business, not its own."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STDIN, STDOUT, STDERR = 0, 1, 2
OWN_FROM = 3


def hold_standard() -> None:
    """See to it that 0, 1 and 2 are taken, so that none of our own files gets one of these numbers.

    The command still starts with those closed that were closed.
    """
    number = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    while number < OWN_FROM:
        number = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.close(number)


def others() -> list[int]:
    """Numbers of all open descriptors beyond the standard ones."""
    try:
        listed = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []
    return [number for number in listed if number >= OWN_FROM and _is_open(number)]


def _is_open(number: int) -> bool:
    """The list holds the descriptor by which it was read, which is closed now."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def launchers_line(environ: "Mapping[str, str]") -> list[int]:
    """The descriptor by which a rank speaks to MPICH's or Slurm's daemon, which takes its closing for the rank's death.

    Closed before we have ended, it would cost us the time for the last words, and the launcher the exit code.
    """
    number = environ.get("PMI_FD", "")
    return [int(number)] if number.isdecimal() else []


def let_go(numbers: list[int]) -> None:
    """Close these and stdin: who waits for their other end to be closed must see it when the command does it."""
    for number in numbers:
        try:  # noqa: SIM105 (contextlib costs a rank 4 ms)
            os.close(number)
        except OSError:
            pass
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, STDIN, inheritable=False)
    os.close(nothing)


def keep_only(numbers: "Sequence[int]") -> None:
    """Close all others but stdout and stderr."""
    let_go([number for number in others() if number not in numbers])
