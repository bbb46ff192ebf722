"""MLflow's tracking API over run folders (docs/reference/mlflow.md)."""
