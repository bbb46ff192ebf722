"""ranklog run: a collector and an agent around one command."""
