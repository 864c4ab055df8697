"""AutoGluon on foretell's own feature matrix: the same features, its models and its ensemble.

Its default preset, told foretell's metric. Forests are left out: on one thread they do not keep to the time
limit, and nothing is left for the others. The nets need torch.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor
from job import Job, spread

METRICS = {"auroc": "roc_auc", "mae": "mean_absolute_error", "accuracy": "accuracy"}
PROBLEMS = {"binary": "binary", "regression": "regression", "multiclass": "multiclass"}
SPARE = 15.0  # seconds, for reading and predicting


def main() -> None:
    job = Job.asked(__doc__ or "")
    matrix, rows = pd.read_parquet(job.folder / "matrix.parquet"), job.rows
    matrix.columns = [f"f{i}" for i in range(matrix.shape[1])]
    is_test = (rows["fold"] == "test").to_numpy()
    y = rows["y"] if job.kind == "regression" else rows["y"].astype(int)
    predictor = TabularPredictor(
        label="__y",
        problem_type=PROBLEMS[job.kind],
        eval_metric=METRICS[job.about["metric"]],
        path=str(job.out / "models"),
        verbosity=0,
    ).fit(
        matrix[~is_test].assign(__y=y[~is_test]),
        time_limit=max(10.0, job.limit - job.seconds - SPARE),
        num_cpus=job.threads,
        num_gpus=0,
        excluded_model_types=["RF", "XT"],
    )
    test = matrix[is_test]
    if job.kind == "regression":
        found = predictor.predict(test).to_numpy()
    else:
        shares = predictor.predict_proba(test)
        found = spread(job, np.array(shares.columns, dtype=int), shares.to_numpy())
    job.finish(
        np.flatnonzero(is_test),
        found,
        packages=("autogluon.tabular", "lightgbm", "catboost"),
        features=matrix.shape[1],
        learned=int((~is_test).sum()),
        of=int((~is_test).sum()),
        best=predictor.model_best,
    )


if __name__ == "__main__":
    main()
