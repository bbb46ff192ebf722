"""Class Run: the API of azureml-core, kept in this node's spool and shipped from there."""

from ranklog.run.run import Run

__all__ = ["Run"]
