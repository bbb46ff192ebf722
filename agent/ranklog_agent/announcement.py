"""The agent's announcement in the spool, by which `ranklog exec` finds the run without being told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from ranklog import spool
from ranklog_agent.config import Config


def announce(config: Config, say: Callable[[str], None]) -> None:
    """Announce this agent, if the spool can be written to."""
    try:
        spool.announce_agent(
            config.spool,
            run_id=config.run_id,
            experiment=config.experiment,
            hostname=config.hostname,
            collector=config.collector,
        )
    except (OSError, spool.SpoolError) as error:
        say(f"cannot announce this agent, so that ranks must be told of its run: {error}")


def withdraw(config: Config) -> None:
    """Take the announcement back, unless it is that of an agent which has taken over."""
    path = spool.agent_path(config.spool, config.hostname)
    with contextlib.suppress(OSError, spool.SpoolError):
        with open(path, "rb") as file:
            is_ours = spool.parse_agent(file.read(spool.RECORD_BYTES_MAX)).pid == os.getpid()
        if is_ours:
            os.unlink(path)
