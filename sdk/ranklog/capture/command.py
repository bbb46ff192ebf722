"""`ranklog exec`: from its command line to the end of the command."""

import os
from time import time_ns

from ranklog.capture import descriptors
from ranklog.capture.child import Child, become
from ranklog.capture.descriptors import STDERR, STDOUT
from ranklog.capture.hand import Hand
from ranklog.capture.heir import Heir
from ranklog.capture.inbox import Dispositions
from ranklog.capture.oom import Memory
from ranklog.capture.options import HELP, USAGE, UsageError, parse
from ranklog.capture.plan import Plan
from ranklog.capture.record import FILES, ended
from ranklog.capture.source import GULP_BYTES
from ranklog.capture.tape import Tape
from ranklog.capture.terminal import WINDOW, open_raw, window_of
from ranklog.capture.witness import Witness
from ranklog.layout import (
    exit_path,
    prepare,
    process_key,
    process_path,
    reserve_record,
    stream_file,
    write_record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ranklog.capture.sidecar import Claim

BAD_USAGE = 2
SIGKILL = 9


def execute(arguments: list[str]) -> int:
    """Run the command that the words after `ranklog exec` name, and end as it does. Returns only if there is none."""
    try:
        options = parse(arguments)
    except UsageError as error:
        os.write(STDERR, f"ranklog exec: {error}\n{USAGE}\n".encode())
        return BAD_USAGE
    if options.help:
        os.write(STDOUT, HELP.encode())
        return 0
    inherited = set(descriptors.others()) - set(descriptors.launchers_line(os.environ))
    descriptors.hold_standard()
    dispositions = Dispositions()
    try:
        plan = Plan(options, os.environ)
        capture = Capture(plan, dispositions)
    except Exception as error:  # noqa: BLE001 (whatever it is, the command must run)
        _warn(f"{str(error) or type(error).__name__}; the command runs, but its output is not kept")
        become(options.command, dict(os.environ), None, dispositions)
    # Before the command is started: it is told where the agent listens.
    claim = _claim(plan) if plan.wants_agent else None
    capture.start()
    descriptors.let_go(list(inherited))
    if claim is not None:
        _start_agent(plan, claim, capture.child)
    # Only what the start of the command needs was imported before it.
    from ranklog.capture.service import serve

    return serve(capture, dispositions)


def _claim(plan: Plan) -> "Claim | None":
    from ranklog.capture import sidecar

    try:
        return sidecar.claim(plan.folder)
    except Exception as error:  # noqa: BLE001 (whatever it is, the command must run)
        _warn(_no_agent(plan, error))
        return None


def _start_agent(plan: Plan, claim: "Claim", child: Child) -> None:
    def start() -> None:
        try:
            claim.start(plan.run_id, plan.folder, os.environ)
        except Exception as error:  # noqa: BLE001 (whatever it is, the command must go on)
            _warn(_no_agent(plan, error))

    def heed(pid: int, status: int) -> None:
        if child.status is None and claim.is_to_be_started_again(pid, status):
            start()

    child.heed_other = heed
    start()


def _no_agent(plan: Plan, error: Exception) -> str:
    return f"no agent could be started: {str(error) or type(error).__name__}; the output stays in {plan.folder}"


class Capture:
    """A command that waits to be started, with all that is there to keep its output.

    Raises SpoolError or OSError if it cannot be kept; no command waits then.
    """

    def __init__(self, plan: Plan, dispositions: Dispositions) -> None:
        self._folder = plan.folder
        self.kinds = plan.kinds
        self.is_quiet = plan.is_quiet
        self._memory = Memory()
        prepare(plan.folder, "procs")
        window = window_of(STDOUT)
        terminals = [open_raw(window or WINDOW) for _ in plan.kinds]
        self.ours = [ours for ours, _ in terminals]
        self.hands = [Hand(GULP_BYTES, len(kinds)) for kinds in plan.kinds]
        self._theirs = [theirs for _, theirs in terminals]
        outputs = self._theirs[0], self._theirs[-1]
        start_ns = time_ns()

        def begin() -> "NoReturn":
            key = process_key(plan.rank, os.getpid(), start_ns)
            become(plan.command, plan.inner_environ(key, has_terminal=window is not None), outputs, dispositions)

        self.child = Child(begin)
        self.key = process_key(plan.rank, self.child.pid, start_ns)
        try:
            self._write_record(plan, start_ns)
        except BaseException:
            self.child.abandon()
            raise
        self.heir = Heir(self, [*self.ours, *(each for tape in self.tapes.values() for each in tape.descriptors())])
        self.witness = Witness()

    def _write_record(self, plan: Plan, start_ns: int) -> None:
        prepare(self._folder, f"streams/{self.key}")
        kinds = {kind for group in plan.kinds for kind in group}
        self.tapes = {kind: Tape(os.path.join(self._folder, self._file(kind)), _warn) for kind in kinds}
        reserve_record(exit_path(self._folder, self.key))
        write_record(process_path(self._folder, self.key), plan.started(self.key, self.child.pid, start_ns))

    def start(self) -> None:
        """Let the command begin."""
        self.child.release()
        for number in self._theirs:
            os.close(number)

    def write_exit(self, end_ns: int, asked: tuple[int, int] | None = None) -> None:
        """Say how the command ended, and by what signal and when (ns) it was `asked` to.

        If even that has no room on the disk, it is warned of.
        """
        status = self.child.status
        assert status is not None, "it has ended"
        is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == SIGKILL
        oom_killed = self._memory.killed(self.child.pid) if is_killed else False
        output_bytes = {self._file(kind): tape.written for kind, tape in self.tapes.items()}
        lost_bytes = sum(tape.lost for tape in self.tapes.values())
        fields = ended(self.key, end_ns, status, self.child.usage, oom_killed, asked, output_bytes, lost_bytes)
        try:
            write_record(exit_path(self._folder, self.key), fields)
        except OSError as error:
            _warn(f"{exit_path(self._folder, self.key)}: {error.strerror}")

    def _file(self, kind: str) -> str:
        return stream_file(self.key, FILES[kind])


def _warn(text: str) -> None:
    from ranklog.capture.outlet import Outlet

    Outlet(STDERR).write(f"ranklog exec: {text}\n".encode())
