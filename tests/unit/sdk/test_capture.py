"""The decisions of `ranklog exec`, without processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranklog.capture import record, tape
from ranklog.capture.console import PACE_S, PATIENT_PACE_S, SLOW_S, Console
from ranklog.capture.lean import signal, signal_name
from ranklog.capture.oom import kills
from ranklog.capture.options import UsageError, parse
from ranklog.capture.pieces import piece
from ranklog.capture.signals import GRACE_S, Ledger
from ranklog.capture.tape import Tape
from ranklog.capture.terminal import without_terminal
from ranklog.identity import Identity, detect

TERM, INT = signal.SIGTERM, signal.SIGINT


# ---- the command line ------------------------------------------------------------------------------------------------


def test_options_end_where_the_command_begins() -> None:
    options = parse(["--run", "r1", "--spool=/s", "--quiet", "--split", "--name", "x_%r.txt", "--", "-x", "--quiet"])
    assert (options.run, options.spool, options.quiet, options.split, options.name) == (
        "r1",
        "/s",
        True,
        True,
        "x_%r.txt",
    )
    assert options.command == ("-x", "--quiet")
    assert parse(["python", "--run", "x"]).command == ("python", "--run", "x")
    assert parse(["--", "--", "x"]).command == ("--", "x")
    assert parse(["-", "x"]).command == ("-", "x")


@pytest.mark.parametrize("line", ["", "--", "--run", "--unknown x", "-q x", "--quiet=1 x", "--quiet"])
def test_a_command_line_that_means_nothing_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line.split())


def test_help_needs_no_command() -> None:
    assert parse(["--help"]).help
    assert parse(["-h", "x"]).help


# ---- what the launcher gets, and when --------------------------------------------------------------------------------


def test_whole_lines_are_handed_on() -> None:
    assert piece(b"one\ntwo\nthr", 4096, is_overdue=False) == len(b"one\ntwo\n")
    assert piece(b"one\ntwo\nthr", 6, is_overdue=False) == len(b"one\n")


def test_the_start_of_a_line_waits_for_its_end_but_not_for_long() -> None:
    assert piece(b"\r 10%", 4096, is_overdue=False) == 0
    assert piece(b"\r 10%", 4096, is_overdue=True) == 5


def test_a_line_that_is_too_long_is_cut() -> None:
    assert piece(b"x" * 5000 + b"\n", 4096, is_overdue=False) == 4096


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 100))
def test_everything_is_handed_on_in_the_end(data: bytes, limit: int) -> None:
    handed = b""
    while len(handed) < len(data):
        waiting = data[len(handed) :]
        size = piece(waiting[:limit], limit, is_overdue=True)
        assert 0 < size <= limit
        handed += waiting[:size]
    assert handed == data


class FakeOutlet:
    """Takes what it is told to."""

    def __init__(self, limit: int = 4096, *, is_tty: bool = False) -> None:
        self.limit = self.guess_limit = limit
        self.is_tty = is_tty
        self.is_open = True
        self.is_sign_sure = True
        self.room = 1 << 30
        self.taken: list[bytes] = []

    def write(self, data: bytes) -> int:
        count = min(len(data), self.room)
        self.room -= count
        self.taken += [data[:count]] if count else []
        return count

    def fileno(self) -> None:
        return None

    def forget_readiness(self) -> None:
        pass


def no_warning(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def log(tmp_path: Path) -> Tape:
    return Tape(str(tmp_path / "log"), no_warning)


def test_a_launcher_gets_whole_lines(log: Tape) -> None:
    outlet = FakeOutlet()
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"one\ntw", 0)
    console.pump(0)
    log.append(b"o\nthree\n", 0.01)
    console.pump(0.01)
    assert outlet.taken == [b"one\n", b"two\nthree\n"]


def test_a_progress_bar_moves(log: Tape) -> None:
    outlet = FakeOutlet()
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"\r10%", 0)
    console.pump(0)
    assert outlet.taken == []
    assert console.due_s == 0.05
    console.pump(0.05)
    assert outlet.taken == [b"\r10%"]


def test_a_line_that_a_full_terminal_cut_waits_longer_for_its_end(log: Tape) -> None:
    outlet = FakeOutlet()
    console = Console(outlet, log)  # type: ignore[arg-type]
    console.flooded_s = 0
    log.append(b"one\ntw", 0.1)
    console.pump(0.1)
    console.pump(0.5)
    assert outlet.taken == [b"one\n"]
    console.pump(0.6)
    assert outlet.taken == [b"one\n", b"tw"]


def test_a_launcher_that_takes_nothing_is_tried_again_and_misses_nothing(log: Tape) -> None:
    outlet = FakeOutlet()
    outlet.room = 2
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"one\n", 0)
    console.pump(0)
    assert (console.sent, console.unsent) == (2, 2)
    for _ in range(1000):
        log.append(b"line\n", 0)
        console.pump(0.001)
    outlet.room = 1 << 30
    console.pump(1)
    assert b"".join(outlet.taken) == b"one\n" + b"line\n" * 1000


def test_a_launcher_that_is_gone_is_left_alone(log: Tape) -> None:
    outlet = FakeOutlet()
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"one\n", 0)
    outlet.is_open = False
    console.pump(0)
    assert (console.unsent, outlet.taken) == (0, [])


def test_a_terminal_gets_more_when_its_reader_has_read(log: Tape) -> None:
    outlet = FakeOutlet(1364, is_tty=True)
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"".join(letter * 999 + b"\n" for letter in (b"v", b"w", b"x", b"y", b"z")), 0)
    console.pump(0)
    console.pump(SLOW_S / 2)
    assert len(outlet.taken) == 1
    outlet.is_sign_sure = False
    console.ready(1)
    assert len(outlet.taken) == 2, "its reader has read"
    console.pump(1 + PACE_S)
    assert len(outlet.taken) == 3, "the sign of that may have been missed"
    console.pump(1 + PACE_S * 2)
    assert len(outlet.taken) == 3, "hardly twice"
    outlet.is_sign_sure = True
    console.pump(1 + PACE_S + PATIENT_PACE_S)
    assert len(outlet.taken) == 4
    console.pump(1 + PACE_S + 2 * PATIENT_PACE_S)
    assert len(outlet.taken) == 4
    console.pump(2)
    assert len(outlet.taken) == 5, "nobody waits for ever"


def test_pieces_are_smaller_while_it_is_a_guess_that_a_terminal_has_room(log: Tape) -> None:
    outlet = FakeOutlet(20, is_tty=True)
    outlet.guess_limit = 10
    outlet.is_sign_sure = False
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"line\n" * 100, 0)
    console.pump(0)
    console.pump(PACE_S)
    console.pump(PACE_S + PATIENT_PACE_S)
    console.ready(1)
    assert [len(each) for each in outlet.taken] == [20, 10, 10, 20]


def test_a_log_that_somebody_cuts_ends_the_copy_and_nothing_else(log: Tape) -> None:
    outlet = FakeOutlet()
    outlet.room = 0
    console = Console(outlet, log)  # type: ignore[arg-type]
    log.append(b"a\n" * 5000, 0)
    log.append(b"b\n", 0)
    os.truncate(log.path, 0)
    outlet.room = 1 << 30
    console.pump(9)
    assert console.unsent == 0
    log.append(b"c\n", 9)
    console.pump(9)
    assert outlet.taken[-1] == b"c\n"


# ---- the log ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_waited_for_in_memory_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "PENDING_BYTES_MAX", 10)
    warnings: list[str] = []
    full = Tape("/dev/full", warnings.append)
    full.append(b"12345", 0)
    full.append(b"67890abc", 0)
    assert (full.written, full.size, full.lost) == (0, 10, 3)
    assert full.read(2, 4) == b"3456"
    full.retry(1)
    assert full.retry_s == 1 + tape.RETRY_S
    full.give_up()
    assert (full.size, full.lost, full.retry_s) == (0, 13, None)
    assert len(warnings) == 1
    assert "No space left" in warnings[0]


def test_what_waited_is_written_in_order_when_there_is_room(log: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(b"a", 0)
    real = os.write
    warnings: list[str] = []
    log._warn = warnings.append

    def write_three(file: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_room)
        return real(file, data[:3])

    def no_room(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", write_three)
    log.append(b"bcdef", 0)
    log.append(b"gh", 0)
    monkeypatch.setattr(os, "write", real)
    log.retry(1)
    log.append(b"i", 1)
    assert Path(log.path).read_bytes() == b"abcdefghi"
    assert (log.read(0, 100), log.read(8, 100), log.lost, len(warnings)) == (b"abcdefghi", b"i", 0, 1)


# ---- signals ---------------------------------------------------------------------------------------------------------


def test_a_signal_that_only_we_got_is_passed_on_after_a_moment() -> None:
    ledger = Ledger()
    ledger.received(TERM, 0)
    assert ledger.due(GRACE_S / 2) == []
    assert ledger.due_s == GRACE_S
    assert ledger.due(GRACE_S) == [TERM]
    assert ledger.due(1) == []


@pytest.mark.parametrize("witness_first", [True, False])
def test_a_signal_that_the_group_got_is_not_passed_on(witness_first: bool) -> None:
    ledger = Ledger()
    calls = [ledger.witnessed, ledger.received] if witness_first else [ledger.received, ledger.witnessed]
    for call in calls:
        call(TERM, 0)
    assert ledger.due(1) == []
    ledger.received(TERM, 1)
    assert ledger.due(2) == [TERM], "the next one is another matter"


def test_one_for_the_group_and_one_for_us_makes_one_to_pass_on() -> None:
    ledger = Ledger()
    ledger.received(TERM, 0)
    ledger.received(TERM, 0.001)
    ledger.witnessed(TERM, 0.002)
    assert ledger.due(1) == [TERM]


def test_another_signal_of_the_group_explains_nothing() -> None:
    ledger = Ledger()
    ledger.received(TERM, 0)
    ledger.witnessed(INT, 0)
    assert ledger.due(1) == [TERM]


def test_what_the_witness_got_long_ago_explains_nothing() -> None:
    ledger = Ledger()
    ledger.witnessed(TERM, 0)
    ledger.received(TERM, 1)
    assert ledger.due(2) == [TERM]


def test_without_a_witness_everything_is_passed_on_at_once() -> None:
    ledger = Ledger()
    ledger.has_witness = False
    ledger.received(TERM, 0)
    ledger.received(INT, 0)
    assert ledger.due(0) == [TERM, INT]


def test_signals_have_names() -> None:
    names = ["SIGABRT", "SIGKILL", "SIGTERM", "SIGCHLD", "SIGIO", "SIGRTMAX", "SIG50"]
    assert [signal_name(number) for number in (6, 9, 15, 17, 29, 64, 50)] == names


# ---- records ---------------------------------------------------------------------------------------------------------

BOTH_AND_LOG = [("launcher_stdout", "launcher_log"), ("launcher_stderr", "launcher_log")]


@pytest.mark.parametrize(
    ("command", "environ", "role", "kinds"),
    [
        (("python", "x"), {}, "process", [("stdout",)]),
        (("python", "x"), {"PMI_RANK": "1"}, "rank", [("stdout",)]),
        (("/usr/bin/mpirun.openmpi", "-n", "2", "x"), {}, "launcher", BOTH_AND_LOG),
        (("mpiexec.hydra", "x"), {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}, "launcher", BOTH_AND_LOG),
        (("srun", "x"), {}, "launcher", [("launcher_stdout",), ("launcher_stderr",)]),
        (("torchrun", "x"), {"RANK": "1", "WORLD_SIZE": "2"}, "launcher", [("launcher_stdout",), ("launcher_stderr",)]),
        (("torchrun", "x"), {"SLURM_STEP_ID": "0", "SLURM_PROCID": "1"}, "rank", [("stdout",)]),
        (("mpirun-like", "x"), {}, "process", [("stdout",)]),
    ],
)
def test_roles_and_streams(
    command: tuple[str, ...], environ: dict[str, str], role: str, kinds: list[tuple[str, ...]]
) -> None:
    assert record.role_of(detect(environ), command) == role
    assert record.kinds_of(role, command, is_split=False) == kinds


def test_stderr_is_kept_apart_on_demand() -> None:
    assert record.kinds_of("rank", ("x",), is_split=True) == [("stdout",), ("stderr",)]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("train_%r.txt", ["train_3.txt", "train_3_stderr.txt"]),
        ("train", ["train", "train_stderr"]),
        (None, [None, None]),
    ],
)
def test_the_caller_may_name_the_files(name: str | None, names: list[str | None]) -> None:
    streams = record.stream_records("k", [("stdout",), ("stderr",)], name, 3)
    assert [stream.get("name") for stream in streams] == names
    assert [stream["file"] for stream in streams] == ["streams/k/stdout.log", "streams/k/stderr.log"]


def test_a_launchers_joint_log_is_one_stream() -> None:
    kinds = [stream["kind"] for stream in record.stream_records("k", BOTH_AND_LOG, None, None)]
    assert kinds == ["launcher_stdout", "launcher_log", "launcher_stderr"]


def test_a_huge_command_makes_a_small_record() -> None:
    words = record.command(("x", *["y" * 1000] * 1000), {})["argv"]
    assert isinstance(words, list)
    assert sum(map(len, words)) < 70_000
    assert words[-1] == "…"


def test_a_launcher_has_no_rank() -> None:
    whole_node = detect({"RANK": "1"})
    fields = record.started("k", 1, 2, "launcher", whole_node, None)
    assert (fields["rank"], fields["node_rank"]) == (None, 1)
    assert record.started("k", 1, 2, "process", Identity(), None)["rank"] is None


def test_the_end_of_a_process_is_told_by_its_wait_status() -> None:
    killed = record.ended("k", 1, 9, None, True, (15, 0), {}, 0)
    assert (killed["signal"], killed["signal_name"], killed["exit_code"]) == (9, "SIGKILL", None)
    assert (killed["asked_signal"], killed["asked_ns"]) == (15, 0)
    dumped = record.ended("k", 1, 0x8B, None, False, None, {}, 0)
    assert (dumped["signal_name"], dumped["core_dumped"]) == ("SIGSEGV", True)
    left = record.ended("k", 1, 3 << 8, None, False, None, {"f": 5}, 2)
    assert (left["exit_code"], left["signal"], left["output_bytes"], left["lost_bytes"]) == (3, None, {"f": 5}, 2)


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_without_a_terminal_there_are_no_colours_unless_the_user_wants_them() -> None:
    assert without_terminal({"TERM": "xterm-256color"}) == {"TERM": "dumb", "NO_COLOR": "1"}
    assert without_terminal({"FORCE_COLOR": "1"}) == {}
    assert without_terminal({"FORCE_COLOR": ""}) == {"TERM": "dumb", "NO_COLOR": "1"}


def test_kills_for_memory_are_counted_by_either_kind_of_cgroup() -> None:
    assert kills("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n") == 2
    assert kills("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n") == 5
    assert kills("") is None
    assert kills("oom_kill many\n") is None
