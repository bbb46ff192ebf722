"""A run as a notebook shows it: `from ranklog import RunDetails`."""
