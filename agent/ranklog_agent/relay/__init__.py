"""MLflow's REST API on the node's loopback: what ranks log is answered at once, from the spool."""
