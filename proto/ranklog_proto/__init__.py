"""The wire between agent and collector: generated messages and the number of their version."""

PROTOCOL_VERSION = 1
"""Raised when an older peer could no longer understand the messages; peers of different numbers refuse each other."""
