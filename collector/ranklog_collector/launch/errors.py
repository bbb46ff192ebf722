"""What can keep `ranklog run` from starting."""


class LaunchError(Exception):
    """The run cannot be started; the text says why and what to do."""
