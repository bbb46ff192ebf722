"""The verdict on a run folder: evidence is gathered here, and judged in core/verdict."""

from ranklog_collector.verdict.gather import judge

__all__ = ["judge"]
