"""getML community's FastProp with its default settings, and LightGBM with its own. For comparison alone.

Rows are joined with every table that points at their entity (of a static target: at the entity's parents),
and by way of one table between; these with their parents. A join sees rows up to the cutoff. The engine is
that of the wheel, and is started and stopped here.
"""

from __future__ import annotations

import time
from typing import Any

import getml
import numpy as np
import pandas as pd
from getml.data.relationship import many_to_one
from getml.feature_learning import FastProp, loss_functions
from job import ROW, TIME, Job, default_lightgbm

LEARN = 20_000  # rows from which FastProp chooses its features


def main() -> None:
    job = Job.asked(__doc__ or "")
    if getml.engine.is_alive() or getml.communication.is_monitor_alive():
        raise SystemExit("a getML engine is running already: stop it first")
    home = job.out / "engine"
    home.mkdir(exist_ok=True)
    getml.engine.launch(
        home_directory=str(home), allow_push_notifications=False, launch_browser=False, quiet=True
    )
    try:
        features = _features(job)
    finally:
        getml.engine.shutdown()
        time.sleep(1.0)
    rows = job.rows
    is_test = (rows["fold"] == "test").to_numpy()
    made = pd.DataFrame(features, columns=[f"f{i}" for i in range(features.shape[1])])
    found = default_lightgbm(job, made[~is_test], rows["y"].to_numpy()[~is_test], made[is_test])
    count = int((~is_test).sum())
    job.finish(
        np.flatnonzero(is_test),
        found,
        packages=("getml", "lightgbm"),
        features=made.shape[1],
        learned=count,
        of=count,
    )


def _features(job: Job) -> np.ndarray:
    """(rows, features) in the order of the job's rows."""
    getml.engine.set_project("quality")
    about, frames = job.about, {name: _frame(job, name) for name in job.about["tables"]}
    own = about["entity"]
    population = job.rows.drop(columns="fold")
    starts = [(own, "entity")]
    if about["static"]:
        kept = [c for c in about["tables"][own] if c not in about["hidden"]]
        asked = job.table(own)[[ROW, *(k["column"] for k in job.own_links), *kept]]
        population = population.merge(asked, left_on="entity", right_on=ROW, how="left").drop(columns=ROW)
        starts = [(k["parent"], k["column"]) for k in job.own_links]
    model, joined = _model(job, frames, population, starts)
    known = (job.rows["fold"] != "test").to_numpy()
    at = np.flatnonzero(known)[np.linspace(0, known.sum() - 1, min(LEARN, known.sum())).astype(int)]
    roles = _roles(population, about["tables"][own])
    container = getml.data.Container(
        train=getml.DataFrame.from_pandas(population.iloc[at], name="learn", roles=roles),
        test=getml.DataFrame.from_pandas(population, name="all", roles=roles),
    )
    container.add(**joined)
    loss = loss_functions.CrossEntropyLoss if job.kind == "binary" else loss_functions.SquareLoss
    learner = FastProp(loss_function=loss, num_threads=job.threads)
    pipeline = getml.pipeline.Pipeline(data_model=model, feature_learners=[learner])
    pipeline.fit(container.train, check=False)
    return np.asarray(pipeline.transform(container.test))


def _model(
    job: Job, frames: dict[str, pd.DataFrame], population: pd.DataFrame, starts: list[tuple[str, str]]
) -> tuple[Any, dict[str, Any]]:
    """The star of joins around the rows, and the tables it names."""
    about, joined = job.about, {}
    holder = getml.DataFrame.from_pandas(
        population.head(1000), name="population", roles=_roles(population, about["tables"][about["entity"]])
    ).to_placeholder("population")
    model = getml.data.DataModel(holder)

    def table(name: str, frame: pd.DataFrame) -> Any:
        key = f"{name}_{len(joined)}"
        roles = _roles(frame, about["tables"][name])
        joined[key] = getml.DataFrame.from_pandas(frame, name=key, roles=roles)
        return joined[key].to_placeholder(key)

    def events(name: str, frame: pd.DataFrame, ours: str, theirs: str) -> None:
        met = table(name, frame)
        when = ("cutoff", TIME) if TIME in frame else None
        model.population.join(met, on=(ours, theirs), time_stamps=when)
        for up in (k for k in about["links"] if k["child"] == name and k["column"] != theirs):
            met.join(
                table(up["parent"], frames[up["parent"]]), on=(up["column"], ROW), relationship=many_to_one
            )

    for start, ours in starts:
        model.population.join(table(start, frames[start]), on=(ours, ROW), relationship=many_to_one)
        for link in about["links"]:
            if link["parent"] != start:
                continue
            child = frames[link["child"]]
            events(link["child"], child, ours, link["column"])
            for far in about["links"]:
                if far["parent"] == link["child"] and far["child"] != link["child"]:
                    between = child.set_index(ROW)[link["column"]]
                    reached = frames[far["child"]].assign(
                        __far=lambda f, b=between, c=far["column"]: f[c].map(b)
                    )
                    events(far["child"], reached, ours, "__far")
    return model, joined


def _frame(job: Job, name: str) -> pd.DataFrame:
    frame = job.table(name)
    for column, meaning in job.about["tables"][name].items():
        if meaning in ("categorical", "text"):
            frame[column] = frame[column].astype("string")
        elif meaning != "time":
            frame[column] = frame[column].astype("float64")
    return frame


def _roles(frame: pd.DataFrame, columns: dict[str, str]) -> dict[str, list[str]]:
    """What getML is told of each column; text and times of no row stay unused."""
    roles: dict[str, list[str]] = {
        "join_key": [],
        "time_stamp": [],
        "numerical": [],
        "categorical": [],
        "target": [],
    }
    for column in frame.columns:
        if column == ROW or column == "entity" or column.startswith("__up") or column == "__far":
            roles["join_key"].append(column)
        elif column in (TIME, "cutoff"):
            roles["time_stamp"].append(column)
        elif column == "y":
            roles["target"].append(column)
        elif columns.get(column) in ("numeric", "boolean"):
            roles["numerical"].append(column)
        elif columns.get(column) == "categorical":
            roles["categorical"].append(column)
    return {role: held for role, held in roles.items() if held}


if __name__ == "__main__":
    main()
