"""Submitting a script: what is to be started, in which copy of the source folder, and the process that does it."""
