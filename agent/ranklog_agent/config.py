"""The agent's settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from ranklog_agent.core.rules import Rule


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form; certificate and key only where the collector asks for them."""

    ca: str
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an agent is told. Times in seconds."""

    collector: str
    """HOST:PORT, or unix:PATH."""
    run_id: str
    experiment: str
    spool: str
    node_id: str
    hostname: str
    node_names: frozenset[str] = frozenset()
    """What launchers may call this node in the names of files."""
    node_ip: str | None = None
    """None: the address from which the collector is reached."""
    rules: list[Rule] = field(default_factory=list)
    finds_event_files: bool = True
    """Whether to mirror TensorBoard's files of the job that no rule names."""
    changed_since_ns: int = 0
    """Files that were last changed before are not mirrored, unless a rule names them without a wildcard."""
    token: str = ""
    url: str | None = None
    """Where the collector serves HTTP, for what MLflow's clients ask."""
    tls: Tls | None = None
    prep: str | None = None
    release: str | None = None
    stays: bool = False
    """Whether to go on when the job has ended, until a signal comes."""
    ends_with_pid: int | None = None
    """A process whose end is the job's end."""
    start: int = 0
    """Of a job that its scheduler has started before: how often."""
    grace_s: float = 3.0
    """How long processes that still run may take to end when the agent is told to end."""
    drain_timeout_s: float = 60.0
    scan_s: float = 0.25
    """How often folders without file events are scanned."""
    scan_idle_s: float = 10.0
    """How often everything is scanned even though events come."""
    heartbeat_s: float = 1.0
    sample_s: float = 5.0
    """How often it is observed what the job and the node use; 0: never."""
    batch_bytes: int = 1 << 20
