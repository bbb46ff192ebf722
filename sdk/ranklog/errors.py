"""What the Run API raises. Every text says what is wrong and what to do.

RanklogError
├── UserError             a call that makes no sense; passing other arguments helps
├── RunEnvironmentError   not inside a run, though that was asked for
├── RunNotFoundError      no such run
├── UnreachableError      runs cannot be read: no collector answers, it refuses, or nothing here can read them
├── RunFileError          no such file in the run
└── RunFailedError        the run that was waited for has failed
"""


class RanklogError(Exception):
    """Anything that the Run API raises."""


class UserError(RanklogError):
    """A call that makes no sense."""


class RunEnvironmentError(RanklogError):
    """There is no run around this process."""


class RunNotFoundError(RanklogError):
    """There is no such run."""


class UnreachableError(RanklogError):
    """Runs cannot be read from here and now."""


class RunFileError(RanklogError):
    """There is no such file in the run."""


class RunFailedError(RanklogError):
    """The run that was waited for has failed."""
