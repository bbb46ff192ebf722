"""The signal module without its enumerations, which take longer to make than a rank may be held up (4 ms)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signal
else:
    import _signal as signal

__all__ = ["signal", "signal_name"]


ALIASES = ("SIGCLD", "SIGIOT", "SIGPOLL")
"""Second names that nobody uses."""


def signal_name(number: int) -> str:
    """Such as SIGTERM; SIG64 for one without a name."""
    names = (name for name in vars(signal) if name.startswith("SIG") and "_" not in name and name not in ALIASES)
    return next((name for name in names if getattr(signal, name) == number), f"SIG{number}")
