"""Reading runs: from a collector, from run folders, or from this node's spool."""
