"""Trains with scikit-learn while MLflow logs it, model included; prints the run's id. Argument: the tracking URI."""

from __future__ import annotations

import sys

import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression


def main(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    mlflow.autolog()
    features, target = load_iris(return_X_y=True)
    with mlflow.start_run() as run:
        LogisticRegression(max_iter=300).fit(features, target)
    (made,) = mlflow.MlflowClient().get_run(run.info.run_id).outputs.model_outputs
    model = mlflow.sklearn.load_model(f"models:/{made.model_id}")
    (known,) = mlflow.search_logged_models(
        experiment_ids=["0"], filter_string=f"source_run_id = '{run.info.run_id}'", output_format="list"
    )
    assert known.model_id == made.model_id
    assert known.status == "READY"
    assert model.predict(features).shape == target.shape
    print(f'"{run.info.run_id}"')


if __name__ == "__main__":
    main(sys.argv[1])
