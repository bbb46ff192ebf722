"""MLflow's tracking as plain values: what its client may log, and what becomes of it as points. Imports no mlflow."""
