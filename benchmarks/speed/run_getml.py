"""The job by getML community's FastProp: the engine of its wheel, one join for each window.

For comparison alone: foretell neither depends on getML nor ships it. The engine is started before the
clock; `load` reads Parquet into it, `fit` settles which features there are (on 2,000 rows and a target of
noise, for FastProp wants one), `transform` computes them for all rows. The job's time is load and
transform. FastProp keeps as many features as we have, of its own choice among the aggregations asked for; a
join's window is (cutoff - memory, cutoff], and a row without a value has 0.
"""

from __future__ import annotations

import re
import time

import getml
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from getml.feature_learning import FastProp, aggregations, loss_functions
from harness import Run
from job import TIMES, WINDOWS, Wanted, wanted

MEASURES = (
    aggregations.COUNT,
    aggregations.SUM,
    aggregations.AVG,
    aggregations.STDDEV,
    aggregations.MIN,
    aggregations.MAX,
    aggregations.LAST,
    aggregations.TREND,
    aggregations.COUNT_DISTINCT,
    aggregations.MODE,
)
COMPARED = {"COUNT": "count", "SUM": "sum", "AVG": "mean", "MIN": "min", "MAX": "max"}
SELECTED = re.compile(r'SELECT ([A-Z]+)\( (DISTINCT )?(\*|t2\."(t\d+__)?(\w+)") \)')
FROM = re.compile(r'JOIN "([A-Z]+)__STAGING')
WITHIN = re.compile(r"\+(\d+)\.0+ days")
LEARN = 2_000  # rows
POPULATION = {"join_key": ["customer_id"], "time_stamp": ["cutoff"], "target": ["target"]}
ROLES = {
    "customers": {"join_key": ["customer_id"], "categorical": ["region"], "numerical": ["age"]},
    "products": {
        "join_key": ["product_id"],
        "numerical": ["price", "weight"],
        "categorical": ["category", "brand"],
    },
    "orders": {
        "join_key": ["customer_id", "product_id"],
        "time_stamp": ["ordered_at"],
        "numerical": ["amount", "quantity", "discount"],
        "categorical": ["channel", "status"],
        "unused_float": ["order_id"],
    },
    "clicks": {
        "join_key": ["customer_id"],
        "time_stamp": ["clicked_at"],
        "numerical": ["duration"],
        "categorical": ["page", "device"],
        "unused_float": ["click_id"],
    },
}


def main() -> None:
    run = Run(
        __doc__ or "",
        features={"type": int, "default": len(wanted()), "help": "FastProp's num_features"},
        frequent={"type": int, "default": 0, "help": "FastProp's n_most_frequent"},
    )
    if getml.engine.is_alive() or getml.communication.is_monitor_alive():
        raise SystemExit("a getML engine is running already: stop it first")
    getml.engine.launch(
        home_directory=str(run.asked.scratch),
        allow_push_notifications=False,
        launch_browser=False,
        quiet=True,
    )
    try:
        _measure(run)
    finally:
        getml.engine.shutdown()
        time.sleep(1.0)


def _measure(run: Run) -> None:
    getml.engine.set_project("speed")
    given = pq.read_table(run.asked.rows)
    noise = np.random.default_rng(0).normal(size=len(given))
    given = given.append_column("target", pa.array(noise))
    with run.stage("load"):
        frames = {
            name: getml.DataFrame.from_parquet(str(run.table(name)), name=name, roles=roles_of)
            for name, roles_of in ROLES.items()
            if name != "customers"
        }
        population = getml.DataFrame.from_arrow(given, name="population", roles=POPULATION)
    learn = given.take(np.linspace(0, len(given) - 1, min(LEARN, len(given))).astype(np.int64))
    model = getml.data.DataModel(population.to_placeholder())
    model.add(
        getml.data.to_placeholder(
            orders=[frames["orders"]] * len(WINDOWS),
            clicks=[frames["clicks"]] * len(WINDOWS),
            products=[frames["products"]] * len(WINDOWS),
        )
    )
    for i, days in enumerate(WINDOWS):
        memory = None if days is None else getml.data.time.days(days)
        for name in TIMES:
            event = getattr(model, name)[i]
            model.population.join(event, on="customer_id", time_stamps=("cutoff", TIMES[name]), memory=memory)
        model.orders[i].join(
            model.products[i], on="product_id", relationship=getml.data.relationship.many_to_one
        )
    learner = FastProp(
        aggregation=MEASURES,
        loss_function=loss_functions.SquareLoss,
        num_features=run.asked.features,
        num_threads=run.threads,
        n_most_frequent=run.asked.frequent,
    )
    pipeline = getml.pipeline.Pipeline(data_model=model, feature_learners=[learner])
    container = getml.data.Container(
        train=getml.DataFrame.from_arrow(learn, name="learn", roles=POPULATION), test=population
    )
    container.add(**{n: frames[n] for n in ("orders", "clicks", "products")})
    with run.stage("fit"):
        pipeline.fit(container.train, check=False)
    with run.stage("transform"):
        matrix = pipeline.transform(container.test)
    values = {}
    for at, feature in enumerate(pipeline.features):
        same = _ours(str(feature.sql))
        if same is not None:
            values[same.name] = matrix[:, at]
    run.finish(
        rows=len(matrix),
        features=len(pipeline.features),
        total=("load", "transform"),
        packages=("getml", "pyarrow", "numpy"),
        values=values,
        empty_is_zero=True,
    )


def _ours(sql: str) -> Wanted | None:
    """Our feature of the same meaning, where a feature's SQL says one that we compare."""
    selected, table, within = SELECTED.search(sql), FROM.search(sql), WITHIN.search(sql)
    if selected is None or table is None or selected[1] not in COMPARED:
        return None
    measure = "distinct" if selected[2] else COMPARED[selected[1]]
    days = int(within[1]) if within else None
    if selected[3] == "*":
        return Wanted(table[1].lower(), measure, days)
    return Wanted(table[1].lower(), measure, days, selected[5], "products" if selected[4] else "")


if __name__ == "__main__":
    main()
