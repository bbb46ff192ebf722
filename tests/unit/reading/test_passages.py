"""Lines that belong together: where they begin, what they take in, and where they end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.passages import begun, may_begin

SIMPLE = """\
Traceback (most recent call last):
  File "a.py", line 3, in <module>
    f(1)
    ~^^^
ValueError: bad"""
CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 3, in <module>
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 5, in <module>
RuntimeError"""
TAGGED = """\
[rank3]: Traceback (most recent call last):
[rank3]:   File "a.py", line 3, in <module>
[rank3]: torch.OutOfMemoryError: no more"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 3, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: one
    +------------------------------------"""
OPEN_MPI = """\
[node1:01349] *** Process received signal ***
[node1:01349] Signal: Segmentation fault (11)
[node1:01349] [ 0] /lib/libc.so.6(+0x3c050)[0x7f]
[node1:01349] *** End of error message ***"""
FAULTHANDLER = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "a.py", line 3 in f

Extension modules: numpy (total: 1)"""
RUST = """\
thread 'main' panicked at src/main.rs:2:5:
index out of bounds
note: run with `RUST_BACKTRACE=1`
stack backtrace:
   0: rust_begin_unwind
             at /rustc/library/std/src/panicking.rs:597:5"""
JAVA = """\
Exception in thread "main" java.lang.IllegalStateException: no
\tat com.example.Main.run(Main.java:10)
Caused by: java.io.IOException: gone
\tat com.example.Main.read(Main.java:20)
\t... 1 more"""
TORCH = """\
Exception raised from recvBytes at Utils.hpp:670 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation) + 0x88
frame #1: <unknown function> + 0x5ba8"""
GLOG = """\
*** Check failure stack trace: ***
    @     0x7f0  google::LogMessage::Fail()
    @     0x7f1  main"""
ALL = [SIMPLE, CHAINED, TAGGED, GROUP, OPEN_MPI, FAULTHANDLER, RUST, JAVA, TORCH, GLOG]


def split(text: str) -> list[str]:
    """Lines, and those that belong together as one."""
    found: list[list[bytes]] = []
    passage = None
    for line in text.encode().split(b"\n"):
        if passage is not None and passage.take(line):
            found[-1].append(line)
            continue
        if passage is not None and passage.spare:
            found.append(found[-1][-passage.spare :])
            del found[-2][-passage.spare :]
        passage = begun(line)
        found.append([line])
    return [b"\n".join(lines).decode() for lines in found]


@pytest.mark.parametrize("text", ALL)
def test_a_stack_is_one_passage_between_other_lines(text: str) -> None:
    assert split(f"before\n{text}\nafter\nmore") == ["before", text, "after", "more"]
    assert split(f"{text}\n{text}") == [text, text]
    assert may_begin(f"x\n{text}".encode())


def test_an_empty_line_behind_an_exception_is_not_of_it() -> None:
    assert split(f"{SIMPLE}\n\nnext") == [SIMPLE, "", "next"]


def test_what_a_program_says_between_frames_ends_the_passage() -> None:
    head = "\n".join(SIMPLE.split("\n")[:2])
    assert split(f"{head}\n10% done of it\nok") == [head, "10% done of it", "ok"]


@pytest.mark.parametrize("line", ["step 1", "ValueError in the middle", "[node1:1] *** hello", "error: x", ""])
def test_usual_lines_begin_nothing(line: str) -> None:
    assert begun(line.encode()) is None


@given(st.lists(st.sampled_from([line for text in ALL for line in text.split("\n")] + ["", "  x", "y"]), max_size=40))
def test_any_heap_of_parts_keeps_all_its_lines(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert "\n".join(split(text)) == text
