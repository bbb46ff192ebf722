"""The sidecar of one node: finds what the job writes and ships it, byte for byte, to the collector."""
