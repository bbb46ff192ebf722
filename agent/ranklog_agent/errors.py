"""What can go wrong in an agent for good.

AgentError                exit code 1
├── CollectorRefusedError     the collector will never take this agent: token, protocol, fenced
└── NotDeliveredError         the drain deadline passed with bytes still here
NoGpusError               never leaves the agent
"""

from __future__ import annotations


class AgentError(Exception):
    """An agent cannot go on; the message tells the user what to do."""


class CollectorRefusedError(AgentError):
    """The collector will not take this agent, now or later."""


class NotDeliveredError(AgentError):
    """The drain deadline passed before everything was delivered."""


class NoGpusError(Exception):
    """No GPU of this node can be observed; the text says why. The agent goes on without."""
