"""Looking again and again in a thread that is there only as long as it is needed."""

from __future__ import annotations

import subprocess
import sys
import threading

from ranklog.notebook.refresher import Refresher
from tests.support.pipeline import wait_until


class Looks:
    def __init__(self, last: int = 1 << 30) -> None:
        self.count = 0
        self.last = last

    def __call__(self) -> bool:
        self.count += 1
        return self.count >= self.last


def has_no_thread(refresher: Refresher) -> bool:
    return not refresher.is_running and not any(each.name == "ranklog-view" for each in threading.enumerate())


def test_it_looks_until_there_is_nothing_more_to_come() -> None:
    looks = Looks(last=3)
    refresher = Refresher(looks, period_s=0.0)
    refresher.wake()
    wait_until(lambda: has_no_thread(refresher), "its end")
    assert looks.count == 3


def test_it_looks_once_more_when_woken_after_the_end() -> None:
    looks = Looks(last=1)
    refresher = Refresher(looks)
    for count in (1, 2):
        refresher.wake()
        wait_until(lambda: has_no_thread(refresher), "its end")
        assert looks.count == count


def test_waking_it_ends_its_rest() -> None:
    looks = Looks()
    refresher = Refresher(looks, period_s=3600)
    refresher.wake()
    wait_until(lambda: looks.count == 1, "the first look")
    refresher.wake()
    wait_until(lambda: looks.count == 2, "the second")
    refresher.stop()
    wait_until(lambda: has_no_thread(refresher), "its end")


def test_it_can_be_stopped_from_its_own_thread() -> None:
    def look() -> bool:
        refresher.stop()
        return False

    refresher = Refresher(look, period_s=0.0)
    refresher.wake()
    wait_until(lambda: has_no_thread(refresher), "its end")


def test_it_does_not_keep_a_process_from_ending() -> None:
    code = """
from ranklog.notebook.refresher import Refresher
refresher = Refresher(lambda: False, period_s=3600)
refresher.wake()
refresher.wait_for_look(30)
print("looked")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("looked\n", "")
