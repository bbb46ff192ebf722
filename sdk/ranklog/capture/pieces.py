"""How much of the waiting output to hand on in one go (pure)."""

PARTIAL_LINE_S = 0.05
"""How long the start of a line waits for its end: a progress bar must move."""
FLOOD_S = 0.5
"""How long it waits after the terminal was full: then it was the terminal that cut the line, not the program."""


def piece(waiting: bytes, limit: int, *, is_overdue: bool) -> int:
    """Tell how many of the leading bytes to write at once, at most `limit`.

    Whole lines, so that lines of several ranks are not torn where they meet. The start of a line is held back (0) until
    it is overdue, or so long that it must be cut anyway.
    """
    end = waiting.rfind(b"\n", 0, limit) + 1
    if end:
        return end
    if len(waiting) >= limit or is_overdue:
        return min(len(waiting), limit)
    return 0
