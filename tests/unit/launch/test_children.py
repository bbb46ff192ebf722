"""Processes that are waited for although a library has threads of its own, to which the kernel may give a SIGCHLD."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from ranklog_collector.launch.children import Children
from ranklog_collector.launch.signals import Signals


def test_a_child_is_not_missed_when_another_thread_was_given_its_signal() -> None:
    is_over = threading.Event()
    earlier = threading.Thread(target=is_over.wait)
    earlier.start()

    async def story() -> list[int]:
        children = Children()
        with Signals((), lambda *_: None, children.reap) as signals:
            children.mask = signals.former_mask
            command = [sys.executable, "-S", "-c", "raise SystemExit(3)"]
            started = [children.start(command, os.environ) for _ in range(8)]
            statuses = await asyncio.wait_for(asyncio.gather(*(child.ended for child in started)), 60)
        return [os.waitstatus_to_exitcode(status) for status in statuses]

    try:
        assert asyncio.run(story()) == [3] * 8
    finally:
        is_over.set()
        earlier.join()
