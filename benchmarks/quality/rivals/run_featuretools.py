"""Deep feature synthesis with default primitives, two tables deep, and LightGBM with default settings.

Every row has its own cutoff time (`cutoff_time`), so nothing later is seen; a table without a time of its own
has that of its parent. For a static target the row that is asked about is a table of its own, without the
columns asked for, and its features are as of at most `NEARLY` earlier: rows of one period share their work
(featuretools' own `approximate` fails where a table has two links to one parent). Where the time is too short
for all rows, rows are computed in a random order: first test rows, then those to learn from; the report says
how many.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable

import featuretools as ft
import numpy as np
import pandas as pd
from featuretools.primitives import get_default_aggregation_primitives
from job import ROW, TIME, Job, default_lightgbm

warnings.filterwarnings("ignore")

ASKED = "asked"
"""The table of the rows that are asked about, of a static target."""
TEST_SHARE, LEARN_SHARE = 0.35, 0.85
"""By which part of the time test rows are done, and by which those to learn from."""
CHUNK = 100
NEARLY = "30D"
TYPES = {
    "numeric": "Double",
    "categorical": "Categorical",
    "boolean": "BooleanNullable",
    "time": "Datetime",
}


class Skew(ft.primitives.Skew):
    """The default primitive, on nullable numbers too: it fails on them as it is."""

    def get_function(self) -> Callable[[pd.Series], float]:
        return lambda column: column.dropna().astype("float64").skew()


def main() -> None:
    job = Job.asked(__doc__ or "")
    target = ASKED if job.about["static"] else job.about["entity"]
    entities = entity_set(job)
    features = ft.dfs(
        entityset=entities,
        target_dataframe_name=target,
        agg_primitives=[p if p.name != Skew.name else Skew for p in get_default_aggregation_primitives()],
        max_depth=2,
        drop_contains=[f"({ASKED}"],  # no count of other rows that are asked about: they may be later
        features_only=True,
    )
    rows = job.rows
    is_test = (rows["fold"] == "test").to_numpy()
    parts = []
    for mask, share in ((is_test, TEST_SHARE), (~is_test, LEARN_SHARE)):
        parts.append(_computed(job, features, entities, rows[mask], share * job.limit))
    test, learn = parts
    both = _plain(pd.concat([learn, test], keys=["learn", "test"]))
    found = default_lightgbm(job, both.loc["learn"], rows.loc[learn.index, "y"].to_numpy(), both.loc["test"])
    job.finish(
        test.index.to_numpy(),
        found,
        packages=("featuretools", "lightgbm", "pandas"),
        features=both.shape[1],
        learned=len(learn),
        of=int((~is_test).sum()),
    )


def entity_set(job: Job) -> ft.EntitySet:
    """The tables, their links and times; of a static target the rows asked about too."""
    about, entities = job.about, ft.EntitySet("job")
    links = [(k["parent"], k["child"], k["column"]) for k in about["links"] if k["parent"] != k["child"]]
    for name, columns in about["tables"].items():
        frame, kinds = _typed(job.table(name), columns)
        _add(entities, name, frame, kinds, timed=TIME in frame)
    if about["static"]:
        own = about["entity"]
        columns = {c: s for c, s in about["tables"][own].items() if c not in about["hidden"]}
        ups = [(k["parent"], k["column"]) for k in job.own_links if k["parent"] != own]
        frame, kinds = _typed(job.table(own)[[ROW, *(column for _, column in ups), *columns]], columns)
        asked = frame[frame[ROW].isin(job.rows["entity"])]
        _add(entities, ASKED, asked, kinds, timed=False)
        links += [(parent, ASKED, column) for parent, column in ups]
    for parent, child, column in links:
        entities.add_relationship(parent, ROW, child, column)
    return entities


def _typed(frame: pd.DataFrame, columns: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns as their meaning says. Of a text there are the words and characters, as numbers.

    That is what the default primitives count; theirs may be NA, on which other default primitives fail.
    """
    kinds = {}
    for column, meaning in columns.items():
        held = frame[column]
        if meaning == "text":
            del frame[column]
            frame[f"{column} words"] = held.str.split().str.len().astype("float64")
            frame[f"{column} characters"] = held.str.len().astype("float64")
            kinds |= {f"{column} words": "Double", f"{column} characters": "Double"}
            continue
        kinds[column] = TYPES[meaning] if meaning != "boolean" or held.dtype != object else "Categorical"
        if kinds[column] == "Double":
            frame[column] = held.astype("float64")
        elif kinds[column] == "BooleanNullable":
            frame[column] = held.astype("boolean")
        elif kinds[column] == "Categorical":
            frame[column] = held.astype("string").astype("category")
    for column in frame.columns:
        if column.startswith("__up"):
            # A link to nobody is one to row 0, which no table has: a key may not be NULL.
            frame[column] = frame[column].fillna(0).astype("int64")
    return frame, kinds


def _add(
    entities: ft.EntitySet, name: str, frame: pd.DataFrame, kinds: dict[str, str], *, timed: bool
) -> None:
    entities.add_dataframe(
        dataframe_name=name,
        dataframe=frame,
        index=ROW,
        time_index=TIME if timed else None,
        logical_types=kinds,
    )


def _computed(
    job: Job, features: list[ft.FeatureBase], entities: ft.EntitySet, rows: pd.DataFrame, until: float
) -> pd.DataFrame:
    """Features of the rows, indexed as they are; a random part of them where the time does not suffice."""
    known = rows["cutoff"].dt.floor(NEARLY) if job.about["static"] else rows["cutoff"]
    at = rows[["entity"]].rename(columns={"entity": ROW}).assign(time=known)
    at = at.sort_values(["time", ROW], kind="stable")
    moments = at["time"].to_numpy()
    starts = np.flatnonzero(np.r_[True, moments[1:] != moments[:-1]])
    wanted = np.searchsorted(starts, np.arange(0, len(at), CHUNK), side="left")
    cuts = np.unique(np.r_[starts[np.minimum(wanted, len(starts) - 1)], 0, len(at)])
    chunks = [at.iloc[a:b] for a, b in itertools.pairwise(cuts)]
    done: list[pd.DataFrame] = []
    for place in np.random.default_rng(job.seed).permutation(len(chunks)):
        if done and job.seconds > until:
            break
        chunk = chunks[place]
        found = ft.calculate_feature_matrix(
            features,
            entities,
            cutoff_time=chunk.reset_index(drop=True),
            cutoff_time_in_index=True,
            include_cutoff_time=True,
            n_jobs=1,
        )
        found = found.reindex(pd.MultiIndex.from_frame(chunk))
        found.index = chunk.index
        done.append(pd.DataFrame(found))
    return pd.concat(done)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns as LightGBM reads them: numbers, and categories as such."""
    made = {}
    for i, name in enumerate(frame.columns):
        column = frame[name]
        if (
            isinstance(column.dtype, pd.CategoricalDtype)
            or column.dtype == object
            or str(column.dtype) == "string"
        ):
            made[f"f{i}"] = column.astype("object").astype("category")
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            continue
        else:
            made[f"f{i}"] = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(made, index=frame.index)


if __name__ == "__main__":
    main()
