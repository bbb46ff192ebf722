"""An index over run folders, for searching: made of what they hold, and made again where it is lost."""
