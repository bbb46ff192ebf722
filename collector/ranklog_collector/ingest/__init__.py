"""From the wire to the store."""
