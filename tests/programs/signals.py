"""Says `ready`, then which signals it gets, until it gets SIGTERM or time is up.

usage: signals.py SECONDS
"""

import os
import signal
import sys
import time


def on_signal(number: int, frame: object) -> None:
    print(f"got {signal.Signals(number).name}", flush=True)
    if number == signal.SIGTERM:
        sys.exit(5)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, on_signal)
print(f"ready {os.getpid()}", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    time.sleep(0.05)
print("time is up", flush=True)
