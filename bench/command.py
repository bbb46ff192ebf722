"""What every bench is as a command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from bench.processes import BenchError


def run(main: Callable[[], None]) -> None:
    """Run a bench; what it cannot measure it says in one line. SIGTERM lets it end what it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        main()
    except BenchError as error:
        sys.exit(f"cannot measure: {error}")
