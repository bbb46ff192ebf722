"""Points: what a process logs, as lines of a file in the spool (docs/reference/points.md)."""
