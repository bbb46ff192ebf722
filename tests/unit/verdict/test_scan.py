"""Tracebacks are taken whole, and what their first exception says decides."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core.verdict.scan import Found, scan
from ranklog_collector.core.verdict.signatures import Role
from tests.unit.verdict.jobs import CLOSED, RAISED, catalogue


def found_in(text: str) -> list[Found]:
    return scan(text.encode(), 0, catalogue())


def test_a_traceback_is_one_sign_with_its_text_and_place() -> None:
    text = RAISED.format(error="ValueError: boom")
    (found,) = found_in("step 1\n" + text + "bye\n")
    assert found.text == text.rstrip("\n") + "\nbye"
    assert (found.start, found.says) == (len("step 1\n"), "raised ValueError: boom")
    assert found.is_traceback


def test_torchs_prefix_is_no_hindrance() -> None:
    lines = RAISED.format(error="ValueError: boom").splitlines()
    text = "".join(f"[rank3]: {line}\n" for line in lines)
    (found,) = found_in("[rank 3] step 2\n" + text + "[rank 3] other\n")
    assert found.says == "raised ValueError: boom"
    assert found.text == text.rstrip("\n")


@pytest.mark.parametrize(
    "prefix", ["[rank3]: ", " ", "2: ", "[1,2]<stderr>:", "[default0]:", "2026-11-23 21:18:50 node1 | "]
)
def test_a_prefix_that_all_lines_have_is_no_hindrance(prefix: str) -> None:
    lines = RAISED.format(error="ValueError: boom").splitlines()
    (found,) = found_in("".join(f"{prefix}{line}\n" for line in [*lines, "", "other"]))
    assert found.says == "raised ValueError: boom"


def test_a_prefix_that_only_the_first_line_has_is_no_hindrance() -> None:
    (found,) = found_in("12:00:01 ERROR " + RAISED.format(error="ValueError: boom"))
    assert found.says == "raised ValueError: boom"


def test_the_exception_decides_what_a_traceback_is() -> None:
    (found,) = found_in(CLOSED.format(peer="10.77.0.11"))
    assert found.match.signature.role is Role.CONSEQUENCE
    assert found.says == "connection closed by 10.77.0.11"
    (oom,) = found_in(RAISED.format(error="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.87 GiB."))
    assert oom.says == "ran out of GPU memory"


def test_of_chained_exceptions_the_first_decides() -> None:
    cause = "\nDuring handling of the above exception, another exception occurred:\n\n"
    closed, raised = CLOSED.format(peer="10.77.0.11"), RAISED.format(error="RuntimeError: training failed")
    (found,) = found_in(closed + cause + raised)
    assert found.match.signature.role is Role.CONSEQUENCE
    assert found.text.endswith("RuntimeError: training failed")
    (found,) = found_in(RAISED.format(error="ValueError: boom") + cause + closed)
    assert found.says == "raised ValueError: boom"


def test_an_exception_inside_another_ones_traceback_may_be_indented() -> None:
    text = "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'rank'\n"
    (found,) = found_in(text)
    assert found.says == "raised KeyError: 'rank'"


def test_what_a_process_goes_on_saying_after_a_traceback_is_not_its_message() -> None:
    steps = "step {} loss 0.5\n"
    text = (
        steps.format(1) + RAISED.format(error="ValueError: bad record\nin shard 7") + steps.format(2) + steps.format(3)
    )
    (found,) = found_in(text)
    assert found.text.endswith("ValueError: bad record\nin shard 7")
    assert found.lines_after == 2


def test_the_end_of_an_unfinished_line_is_no_prefix() -> None:
    lines = RAISED.format(error="ValueError: boom").splitlines()
    text = "worker failed. " + "\n".join(f"[rank2]: {line}" for line in lines) + "\n"
    (found,) = found_in(text)
    assert found.says == "raised ValueError: boom"


def test_lines_that_count_on_after_an_error_are_work_that_goes_on() -> None:
    count = "".join(f"step {number} loss 0.5\n" for number in range(5))
    for error in (RAISED.format(error="ValueError: bad record\nin shard 7"), "CUDA out of memory. Retrying\n"):
        (found,) = found_in(error + count)
        assert found.has_gone_on
        assert found.text == error.rstrip("\n")


def test_the_rest_of_an_error_is_no_work() -> None:
    frames = "".join(f"#{number}  0x7f5d2b{number}1 in ???\n" for number in range(5))
    sizes = "".join(f"\tsize mismatch for layer.{number}\n" for number in range(5))
    for error in ("Fortran runtime error: End of file\n" + frames, RAISED.format(error="RuntimeError: bad\n" + sizes)):
        assert not found_in(error)[0].has_gone_on
    closed = "RuntimeError: [gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.77.0.11]:{}\n"
    assert not any(found.has_gone_on for found in found_in("".join(map(closed.format, range(5)))))


def test_what_a_library_says_of_the_job_is_no_error_to_live_on_with() -> None:
    abort = "Abort(1) on node 2 (rank 2 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 1) - process 2\n"
    (found,) = found_in("step 5 rank 2\n" + abort + "step 6 rank 2\n")
    assert not found.has_gone_on


def test_an_error_at_the_end_of_a_very_long_line_is_found() -> None:
    (found,) = found_in("x" * 100_000 + RAISED.format(error="ValueError: boom"))
    assert found.says == "raised ValueError: boom"
    assert len(found.text) < 2000


def test_a_traceback_may_begin_behind_an_unfinished_line() -> None:
    (found,) = found_in("....." + RAISED.format(error="ValueError: boom"))
    assert found.says == "raised ValueError: boom"


def test_an_exception_group_is_taken_whole() -> None:
    group = """  + Exception Group Traceback (most recent call last):
  |   File "/app/train.py", line 9, in main
  |     raise ExceptionGroup("loaders", errors)
  | ExceptionGroup: loaders (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: bad record
    +------------------------------------
"""
    (found,) = found_in(group + "step 8\n")
    assert found.says == "raised ExceptionGroup: loaders (1 sub-exception)"
    assert found.text == group.rstrip("\n")
    assert found.lines_after == 1


def test_ctrl_c_is_nobodys_fault() -> None:
    (found,) = found_in(RAISED.format(error="KeyboardInterrupt"))
    assert found.match.signature.role is Role.TEARDOWN


def test_a_threads_traceback_is_told_apart() -> None:
    (found,) = found_in("Exception in thread Thread-1 (work):\n" + RAISED.format(error="ValueError: boom"))
    assert found.is_thread


def test_what_c_plus_plus_throws_is_read_in_its_next_line() -> None:
    (found,) = found_in("terminate called after throwing an instance of 'std::runtime_error'\n  what():  bad mesh\n")
    assert found.says == "threw std::runtime_error: bad mesh"
    (found,) = found_in(
        "terminate called after throwing an instance of 'gloo::IoException'\n"
        "  what():  [gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.77.0.11]:1\n"
    )
    assert found.match.signature.role is Role.CONSEQUENCE


OPENMPI = """[node0:01305] *** An error occurred in MPI_Allreduce
[node0:01305] *** reported by process [1605304321,1]
[node0:01305] *** on communicator MPI_COMM_WORLD
[node0:01305] *** {error}
[node0:01305] *** MPI_ERRORS_ARE_FATAL (processes in this communicator will now abort,
"""


def test_open_mpi_tells_in_a_later_line_whose_fault_it_is() -> None:
    (found,) = found_in(OPENMPI.format(error="MPI_ERR_TRUNCATE: message truncated"))
    assert (found.match.signature.role, found.says) == (Role.ROOT, "had an error in MPI_Allreduce")
    assert found.text.count("\n") == 4
    (found,) = found_in(OPENMPI.format(error="MPI_ERR_PROC_FAILED: Process Failure"))
    assert found.match.signature.role is Role.CONSEQUENCE


def test_colours_and_redraws_hide_nothing() -> None:
    (found,) = found_in("  10%\r  20%\r\x1b[31mMemoryError\x1b[0m\n")
    assert found.says == "could not allocate memory"


def test_how_many_lines_follow_is_told() -> None:
    (found,) = found_in("MemoryError\none\ntwo\n")
    assert found.lines_after == 2


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(data: bytes) -> None:
    for found in scan(data, 0, catalogue()):
        assert 0 <= found.start < found.end <= len(data)


PARTS = [
    "Traceback (most recent call last):",
    '  File "a.py", line 1',
    "ValueError: x",
    "",
    "[rank0]: ",
    "During handling of the above exception, another exception occurred:",
    "terminate called recursively",
    "  what():  x",
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PARTS), max_size=30))
def test_any_heap_of_half_tracebacks_can_be_read(lines: list[str]) -> None:
    data = "\n".join(lines).encode()
    places = [found.start for found in scan(data, 0, catalogue())]
    assert places == sorted(set(places))
