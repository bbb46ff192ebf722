"""What a session has still to say to its agent.

Things are noted as often as they happen and said once, as they stand when the wire has room: an agent that reads slowly
gets fewer messages, and what waits for it is bounded by what it has opened.
"""

from __future__ import annotations

import asyncio
import time

from ranklog_collector.core.run_state import Source
from ranklog_collector.ingest.handles import Handles
from ranklog_proto.v1 import ingest_pb2 as pb

STACKS_MAX = 16


class Outbox:
    """Notes of one session. A handle is freed when its segment's close is confirmed, which is here."""

    def __init__(self, handles: Handles, rounds: dict[int, int]) -> None:
        self._handles = handles
        self._rounds = rounds
        self._paused: dict[int, None] = {}
        self._pause_reason = ""
        self._resuming: dict[int, None] = {}
        self._acking: dict[int, None] = {}
        self._facts: dict[str, pb.ProcessAck] = {}
        self._clock: tuple[int, int] | None = None
        self._stacks: dict[str, pb.DumpStacks] = {}
        self._farewell: pb.Farewell.Reason | None = None
        self._news = asyncio.Event()

    # ---- notes ------------------------------------------------------------------------------------------------------

    def pause(self, handle: int, reason: str) -> None:
        """Nothing of this segment can be kept now."""
        self._resuming.pop(handle, None)
        self._paused[handle] = None
        self._pause_reason = reason
        self._news.set()

    def resume(self, handle: int) -> None:
        """Say from where to send."""
        self._paused.pop(handle, None)
        self._resuming[handle] = None
        self._news.set()

    def ack(self, handle: int, is_urgent: bool = True) -> None:
        """Say how far the segment has come; what is not urgent goes along with what is."""
        self._acking[handle] = None
        if is_urgent:
            self._news.set()

    def fact(self, key: str, event: str) -> None:
        """Say that a fact about a process is durable."""
        ack = self._facts.setdefault(key, pb.ProcessAck(key=key))
        ack.started |= event == "started"
        ack.exited |= event == "exited"
        ack.vanished |= event == "vanished"
        self._news.set()

    def clock(self, agent_time: int, received_time: int) -> None:
        """Answer a heartbeat; only the latest is worth an answer."""
        self._clock = (agent_time, received_time)
        self._news.set()

    def dump_stacks(self, message: pb.DumpStacks) -> None:
        """Ask for stacks; of many requests that an agent has not even read, the latest count."""
        self._stacks[message.request] = message
        while len(self._stacks) > STACKS_MAX:
            del self._stacks[next(iter(self._stacks))]
        self._news.set()

    def farewell(self, reason: pb.Farewell.Reason) -> None:
        """Say good-bye, after everything else."""
        self._farewell = reason
        self._news.set()

    # ---- messages ---------------------------------------------------------------------------------------------------

    async def news(self) -> list[pb.FromCollector]:
        """Wait until there is something to say; then all of it. After the Farewell there is nothing."""
        await self._news.wait()
        self._news.clear()
        messages: list[pb.FromCollector] = []
        if self._clock is not None:
            (agent_time, received_time), self._clock = self._clock, None
            reply = pb.ClockReply(agent_time=agent_time, received_time=received_time, sent_time=time.time_ns())
            messages.append(pb.FromCollector(clock=reply))
        if self._paused:
            messages.append(pb.FromCollector(pause=pb.Pause(handles=list(self._paused), reason=self._pause_reason)))
            self._paused.clear()
        messages += [self._resume(handle, source) for handle, source in self._take(self._resuming)]
        acked = [self._ack(handle, source) for handle, source in self._take(self._acking)]
        if acked:
            messages.append(pb.FromCollector(ack=pb.Ack(segments=acked)))
        messages += [pb.FromCollector(process_ack=fact) for fact in self._facts.values()]
        self._facts.clear()
        messages += [pb.FromCollector(dump_stacks=one) for one in self._stacks.values()]
        self._stacks.clear()
        if self._farewell is not None:
            messages.append(pb.FromCollector(farewell=pb.Farewell(reason=self._farewell)))
        return messages

    @property
    def is_over(self) -> bool:
        """Whether the Farewell is among what was noted."""
        return self._farewell is not None

    def _take(self, noted: dict[int, None]) -> list[tuple[int, Source]]:
        sources = [(handle, self._handles.source(handle)) for handle in noted]
        noted.clear()
        return [(handle, source) for handle, source in sources if source is not None]

    def _resume(self, handle: int, source: Source) -> pb.FromCollector:
        progress, round_ = source.progress, self._rounds.get(source.stream.number, 0)
        resume = pb.Resume(handle=handle, offset=progress.received, crc32=progress.crc, round=round_)
        return pb.FromCollector(resume=resume)

    def _ack(self, handle: int, source: Source) -> pb.Acked:
        is_closed = source.confirmed and source.progress.is_done
        if is_closed:
            self._handles.drop(handle)
            source.listener = None
        return pb.Acked(handle=handle, received=source.written, durable=source.progress.durable, closed=is_closed)
