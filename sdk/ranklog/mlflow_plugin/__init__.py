"""MLflow's client on ranklog's spool: the tracking URI `ranklog://` (docs/reference/mlflow-plugin.md)."""
