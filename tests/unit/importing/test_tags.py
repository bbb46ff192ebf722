"""Tagged consoles are taken apart into exactly what each rank wrote."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.importing.formats.tags import LINE_MAX, Style, Tagged, base_of, detect, zone_ns

OPEN_MPI_4 = b"""[1,1]<stderr>:err rank=1
[1,0]<stdout>:start rank=0
[1,3]<stdout>:ran[1,0]<stdout>:done
[1,3]<stdout>:k 3 about to kill
--------------------------------------------------------------------------
mpirun noticed that process rank 3 with PID 13 on node node1 exited on signal 9 (Killed).
"""
OPEN_MPI_5 = b"""[1,1][node0:27]<stdout>: start rank=1
[1,0][node0:26]<stdout>:  indented
[1,2][node1:37]<stderr>: err rank=2
prterun noticed that process rank 2 with PID 37 on node node1 exited on
[1,1][unknown:unknown]<stderr>:  \0"""
STAMPED = b"""Mon Nov 23 21:18:50 2026[1,0]<stdout>:one
Tue Nov 24 00:00:02 2026[1,0]<stdout>:two
"""
HYDRA = b"""[0] start rank=0
[1] start rank=1
[2] list[0] is fine
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
[mpiexec@node0] main (mpiexec.c:270): process manager error waiting for completion
"""
SRUN = b"""0: rank 0 step 0
1: rank 1 step 0
 2: rank 2 step 0
srun: error: node1: task 2: Killed
0: slurmstepd-node0: error: *** STEP 4.0 ON node0 CANCELLED AT 2026-11-24T15:22:13 ***
"""
TORCHRUN = b"""[default0]:[rank2]: Traceback (most recent call last):
[default1]:step 1
W1124 15:22:13.897 10 torch/distributed/elastic/multiprocessing/api.py:1028] Sending process 15 closing signal SIGTERM
"""
ALL = {
    "open mpi 4": OPEN_MPI_4,
    "open mpi 5": OPEN_MPI_5,
    "stamped": STAMPED,
    "hydra": HYDRA,
    "srun": SRUN,
    "torchrun": TORCHRUN,
}


def split(console: bytes, style: Style | None = None, size: int = 1 << 20) -> dict[tuple[int | None, str], bytes]:
    tagged = Tagged(style or found(console))
    streams: dict[tuple[int | None, str], bytes] = defaultdict(bytes)
    blocks = [console[at : at + size] for at in range(0, len(console), size)]
    for piece in [piece for block in blocks for piece in tagged.feed(block)] + list(tagged.finish()):
        streams[piece.rank, piece.stream] += piece.data
    return dict(streams)


def found(console: bytes) -> Style:
    style = detect(console)
    assert style is not None
    return style


def test_a_tag_in_the_middle_of_a_line_begins_another_ranks_piece() -> None:
    streams = split(OPEN_MPI_4)
    assert streams[3, "stdout"] == b"rank 3 about to kill\n"
    assert streams[0, "stdout"] == b"start rank=0\ndone\n"
    assert streams[1, "stderr"] == b"err rank=1\n"


def test_what_has_no_tag_is_the_launchers() -> None:
    assert split(OPEN_MPI_4)[None, "stdout"].splitlines()[1].startswith(b"mpirun noticed")
    assert b"BAD TERMINATION" in split(HYDRA)[None, "stdout"]
    assert split(SRUN)[None, "stdout"].count(b"\n") == 2, "what slurmstepd says is not rank 0's, whatever the label"


def test_the_blank_behind_open_mpi_5s_tags_is_not_the_ranks() -> None:
    streams = split(OPEN_MPI_5)
    assert streams[0, "stdout"] == b" indented\n"
    assert streams[1, "stdout"] == b"start rank=1\n"
    assert (1, "stderr") not in streams, "what PRRTE flushes of ranks that are gone is nobody's"


def test_detailed_tags_tell_where_ranks_run() -> None:
    tagged = Tagged(found(OPEN_MPI_5))
    for _ in tagged.feed(OPEN_MPI_5):
        pass
    assert tagged.nodes == {0: "node0", 1: "node0", 2: "node1"}
    assert tagged.pids == {0: 26, 1: 27, 2: 37}


def test_time_stamps_are_read() -> None:
    tagged = Tagged(found(STAMPED))
    first, second = tagged.feed(STAMPED)
    assert (first.data, second.data) == (b"one\n", b"two\n")
    assert first.local_ns is not None
    assert second.local_ns is not None
    assert second.local_ns - first.local_ns == (2 * 3600 + 41 * 60 + 12) * 10**9


def test_hydra_tears_lines_only_where_a_block_ends() -> None:
    block = b"x" * 4096
    console = b"[0] " + block + b"[1] one\n[0] " + block + b"[0] the rest, data[1] = 2\n[1] two\n[0] end\n"
    streams = split(b"[1] zero\n" + console, Style("mpich"))
    assert streams[0, "stdout"] == 2 * block + b"the rest, data[1] = 2\nend\n"
    assert streams[1, "stdout"] == b"zero\none\ntwo\n"


def test_brackets_in_a_ranks_own_words_are_its_own() -> None:
    assert split(HYDRA)[2, "stdout"] == b"list[0] is fine\n"


def test_torchruns_tags_are_local_ranks() -> None:
    assert found(TORCHRUN).is_local
    assert base_of(TORCHRUN) == 2
    assert split(TORCHRUN)[0, "stdout"] == b"[rank2]: Traceback (most recent call last):\n"


def test_pytorchs_own_tags_are_the_ranks_words() -> None:
    console = b"[rank1]: Traceback (most recent call last):\n[rank1]: ValueError: x\n"
    assert not found(console).is_local
    assert split(console)[1, "stdout"] == console


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"epoch 1\nepoch 2\n",
        b"[3] is the third\nand more\nand more\nand more\nand more\n",
        b"12: a numbered line\n13: another\n",
        b"\x00\xff\x80binary" * 100,
    ],
)
def test_other_text_is_not_taken_for_tagged(text: bytes) -> None:
    assert detect(text) is None


def test_ranks_may_be_missing_if_the_launcher_is_known() -> None:
    console = b"3: late\n5: later\n"
    assert detect(console) is None
    assert detect(console, "slurm") == Style("slurm")


@pytest.mark.parametrize("console", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_however_it_is_read_the_same_comes_out(console: bytes, size: int) -> None:
    assert split(console, size=size) == split(console)


WITHOUT_TAGS = st.binary(min_size=1, max_size=40).map(lambda data: data.translate(None, b"[\n"))


@given(st.lists(st.tuples(st.integers(0, 3), WITHOUT_TAGS), max_size=20), st.integers(1, 50))
def test_any_bytes_come_back_from_open_mpis_tags(pieces: list[tuple[int, bytes]], size: int) -> None:
    console = b"".join(b"[1,%d]<stdout>:%b\n" % piece for piece in pieces)
    expected: dict[tuple[int | None, str], bytes] = defaultdict(bytes)
    for rank, data in pieces:
        expected[rank, "stdout"] += data + b"\n"
    assert split(console, Style("openmpi"), size) == dict(expected)


def test_an_endless_line_is_handed_on_in_pieces() -> None:
    tagged = Tagged(Style("openmpi"))
    sizes = [len(piece.data) for _ in range(5) for piece in tagged.feed(b"y" * LINE_MAX)]
    assert sizes
    assert max(sizes) <= 2 * LINE_MAX


@pytest.mark.parametrize(("local", "file", "hours"), [(3600, 0, 1), (3600 + 30, 0, 1), (-5 * 3600, 2, -5), (5, 0, 0)])
def test_the_zone_of_stamps_is_told_by_the_age_of_the_file(local: int, file: int, hours: int) -> None:
    assert zone_ns(local * 10**9, file * 10**9) == hours * 3600 * 10**9
