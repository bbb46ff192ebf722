"""Where run folders are kept: one small interface, the local file system its first implementation."""
