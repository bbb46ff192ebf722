"""What the agent touches: files, file events, /proc and the wire."""
