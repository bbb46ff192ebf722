"""A large run folder, as a collector would have left it: every rank trains, then one fails and the others are ended."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple
from zlib import crc32

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL

START_NS = 1_790_000_000_000_000_000
STEP_NS = 100_000_000
RANKS_PER_NODE = 8
FAILING = 517
"""The rank that fails, if there are so many; else the last one."""
STEPS_PER_MARK = 160
SEEN_PER_MARK = 4
_RANK, _NOISE = b"\x01RANK\x01", b"\x01N\x01"
_FAILURE = b"""Traceback (most recent call last):
  File "/app/train.py", line 211, in <module>
    main()
  File "/app/train.py", line 173, in main
    loss = model(batch).loss
  File "/app/model.py", line 88, in forward
    hidden = self.layers[index](hidden)
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB (GPU 5; 79.15 GiB total capacity)
"""
_VICTIM = b"[rank%b]: RuntimeError: [../gloo/transport/tcp/pair.cc:534] Connection closed by peer [%b]:23456\n"


class Output(NamedTuple):
    """What a rank says, with marks for its number and its own digits."""

    text: bytes
    ends: Sequence[int]
    """Where each step's lines end."""


def failing(ranks: int) -> int:
    """Which rank fails of so many."""
    return FAILING if ranks > FAILING else ranks - 1


def write(folder: str, ranks: int, size: int) -> int:
    """Write a run folder in which the ranks said about `size` bytes; returns how many it is."""
    os.makedirs(os.path.dirname(os.path.join(folder, JOURNAL)))
    output = _output(size // ranks)
    stop_ns = START_NS + len(output.ends) * STEP_NS
    with open(os.path.join(folder, JOURNAL), "wb") as file:
        _log(file, [journal.Run(1, os.path.basename(folder), "default", START_NS)])
        for node in range(-(-ranks // RANKS_PER_NODE)):
            _log(file, [journal.Node(_node(node), "joined", START_NS, ip=_ip(node), hostname=_node(node))])
            _log(file, [journal.Clock(_node(node), 0, 100_000, START_NS)])
        for rank in range(ranks):
            _log(file, _begin(rank, ranks))
        last = [b"".join(_last_words(rank, ranks)) for rank in range(ranks)]
        sizes = [_write_rank(folder, rank, output, last[rank]) for rank in range(ranks)]
        for entries in _marks(output, sizes, stop_ns):
            _log(file, entries)
        for rank in range(ranks):
            _log(file, _end(rank, ranks, stop_ns))
        _log(file, [journal.State("failed", stop_ns + 3 * 10**9), journal.Stopped(stop_ns + 3 * 10**9)])
    return sum(sizes)


def _output(size: int) -> Output:
    lines: list[bytes] = []
    length = step = 0
    while length < size:
        said = [_step(step)]
        if step % 1000 == 0:
            said.insert(0, b"epoch %d begins\n" % (step // 1000))
        if step % 997 == 996:
            said.append(b"2026-09-21 WARNING data.py:41 [rank %b] shard %d read again after 3 s\n" % (_RANK, step))
        lines += said
        length += len(_numbered(b"".join(said), 0))
        step += 1
    text = b"".join(lines)
    return Output(text, _step_ends(text))


def _step(step: int) -> bytes:
    time = (step // 36000 % 24, step // 600 % 60, step // 10 % 60, step % 10)
    return (
        b"2026-09-21 %02d:%02d:%02d,%d00 INFO train.py:173 [rank %b] step %d loss %d.%02d%b grad_norm 1.%b "
        b"tokens/s 52%b mem 61.2GB\n"
        % (*time, _RANK, step, 400 // (step + 100), step * 7919 % 100, _NOISE, _NOISE, _NOISE)
    )


def _step_ends(text: bytes) -> list[int]:
    """Where the line of each step ends; it is the same place for every rank, since all numbers are equally long."""
    ends, at = [], 0
    for line in _numbered(text, 0).splitlines(keepends=True):
        at += len(line)
        if b" step " in line:
            ends.append(at)
    return ends


def _numbered(text: bytes, rank: int) -> bytes:
    return text.replace(_RANK, b"%04d" % rank).replace(_NOISE, b"%02d" % (rank * 37 % 100))


def _last_words(rank: int, ranks: int) -> Iterator[bytes]:
    if rank == failing(ranks):
        yield _FAILURE
    elif rank // RANKS_PER_NODE == failing(ranks) // RANKS_PER_NODE:
        yield _numbered(_VICTIM % (_RANK, _ip(failing(ranks) // RANKS_PER_NODE).encode()), rank)


def _write_rank(folder: str, rank: int, output: Output, last: bytes) -> int:
    path = os.path.join(folder, log_path(rank))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = _numbered(output.text, rank) + last
    with open(path, "wb") as file:
        file.write(data)
    return len(data)


def _marks(output: Output, sizes: Sequence[int], stop_ns: int) -> Iterator[list[journal.Entry]]:
    """One after another as they came; their checksums are not those of the bytes."""
    ends = output.ends
    for first in range(0, len(ends), STEPS_PER_MARK):
        steps = range(first, min(first + STEPS_PER_MARK, len(ends)), STEPS_PER_MARK // SEEN_PER_MARK)
        for rank in range(len(sizes)):
            seen = tuple((ends[step], START_NS + step * STEP_NS + rank * 1000) for step in steps)
            yield [journal.Mark(rank + 1, seen[-1][0], crc32(b"%d" % first), seen)]
    for rank, size in enumerate(sizes):
        delay_ns = 0 if rank == failing(len(sizes)) else 20_000_000
        yield [journal.Mark(rank + 1, size, 0, ((size, stop_ns + delay_ns),))]


def _begin(rank: int, ranks: int) -> list[journal.Entry]:
    node = _node(rank // RANKS_PER_NODE)
    record = {
        "version": 1,
        "key": _key(rank),
        "pid": 1000 + rank,
        "start_ns": START_NS,
        "hostname": node,
        "role": "rank",
        "rank": rank,
        "local_rank": rank % RANKS_PER_NODE,
        "world_size": ranks,
        "launcher": "torchrun",
        "argv": ["python", "train.py"],
    }
    return [
        journal.Process(node, _key(rank), "started", START_NS, record),
        journal.Stream(rank + 1, node, "stdout", _key(rank), "", log_path(rank)),
        journal.Segment(rank + 1, f"{rank:016x}", rank + 1, f"/spool/{rank}", 0, 0, 0, False, START_NS),
        journal.Extent(rank + 1, 0, 0),
    ]


def _end(rank: int, ranks: int, stop_ns: int) -> list[journal.Entry]:
    is_first = rank == failing(ranks)
    end_ns = stop_ns + (50_000_000 if is_first else 900_000_000 + rank * 10_000)
    record = {
        "version": 1,
        "key": _key(rank),
        "end_ns": end_ns,
        "exit_code": 1 if is_first else None,
        "signal": None if is_first else 15,
        "signal_name": None if is_first else "SIGTERM",
        "asked_signal": None if is_first else 15,
        "asked_ns": None if is_first else end_ns - 10_000_000,
    }
    return [journal.Process(_node(rank // RANKS_PER_NODE), _key(rank), "exited", end_ns, record)]


def _log(file: IO[bytes], entries: Sequence[journal.Entry]) -> None:
    file.write(b"".join(map(journal.dump, entries)))


def _key(rank: int) -> str:
    return f"{rank}-{1000 + rank}-{START_NS}"


def _node(number: int) -> str:
    return f"node{number}"


def _ip(number: int) -> str:
    return f"10.0.{number // 250}.{number % 250 + 1}"


def log_path(rank: int) -> str:
    return f"{_ip(rank // RANKS_PER_NODE)}/azureml-logs/70_driver_log_{rank}.txt"


def main() -> None:
    """Write one to look at."""
    parser = argparse.ArgumentParser(prog="python -m bench.big_folder", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--size", type=float, default=2000, metavar="MB")
    options = parser.parse_args()
    print(write(options.folder, options.ranks, int(options.size * 1e6)))


if __name__ == "__main__":
    main()
