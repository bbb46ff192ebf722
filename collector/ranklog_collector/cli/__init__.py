"""The commands that need the collector's packages."""
