"""What a job does, by its kind: from the server's parts and what was asked to work that can be run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from foretell.core.errors import UsageError
from foretell.core.progress import Progress
from foretell.explain.explanation import Explanation
from foretell.prediction.database import open_database
from foretell.prediction.model import Model
from foretell.prediction.predictions import Predictions
from foretell.query.parser import parse
from foretell.report.chart import Plot
from foretell.report.explained_plots import explanation_plots
from foretell.report.pattern_plots import patterns_plots
from foretell.report.plots import backtest_plots, labels_plot
from foretell.report.upkeep_plots import grades_plot, performance_plot
from foretell.server.faults import NotFoundError
from foretell.server.jobs import Outcome, Work
from foretell.server.payloads import Ask, JobAsked, Look, OfModel, Reopen, Retrain
from foretell.server.reports import report_of
from foretell.server.service import Service
from foretell.task.bind import bind

REASONS = 50  # how many of the highest scores are told with their reasons
AUDITED = 1  # learning cutoffs at which leaks are looked for


def work_of(here: Service, asked: JobAsked) -> Work:
    """The work that was asked for; slips are told before it waits in the queue."""
    match asked:
        case Ask():
            return _ask(here, asked)
        case Retrain():
            return _retrain(here, asked)
        case Look():
            return _look(here, asked)
        case Reopen():
            return _reopen(here)
        case OfModel(kind="predict"):
            return _predict(here, asked.model)
        case OfModel(kind="report"):
            return _report(here, asked.model)
        case OfModel(kind="grade"):
            return _grade(here, asked.model)
        case OfModel():
            return _monitor(here, asked.model)


def _ask(here: Service, asked: Ask) -> Work:
    bind(parse(asked.query), here.holding.schema)

    def work(progress: Progress) -> Outcome:
        with here.holding.use(progress) as database:
            question = database.query(asked.query)
            answer = question.ask(time_limit=asked.time_limit, model=asked.model, top=REASONS)
            progress.stage("looking for leaks")
            audit = question.audit(cutoffs=AUDITED).to_dict()
        told = replace(answer, predictions=answer.predictions.head(0)).to_dict()
        model = replace(answer.model, home=None)
        told |= {
            "query": answer.model.query,
            "kind": answer.model.task.kind.value,
            "audit": audit,
            "explanation": explained(model),
            **about(answer.predictions),
        }
        return Outcome(
            told,
            rows=answer.predictions.table,
            plots=plots_of(model, told["labels"]),
            model=model,
            audit=audit,
        )

    return work


def _look(here: Service, asked: Look) -> Work:
    query, table = asked.query, asked.table
    if query is not None and table is not None:
        raise UsageError("found a query and a table, expected one of them", mend="leave one out")
    if query is not None:
        bind(parse(query), here.holding.schema)
    elif table is not None:
        here.holding.schema.table(table)

    def work(progress: Progress) -> Outcome:
        with here.holding.use(progress) as database:
            asker = database.query(query) if query is not None else None
            found = (
                asker.patterns(time_limit=asked.time_limit)
                if asker is not None
                else database.patterns(table, time_limit=asked.time_limit)
            )
        found = replace(found, title=here.veil.text(found.title))
        return Outcome(found.to_dict(), plots=patterns_plots(found))

    return work


def _reopen(here: Service) -> Work:
    _target(here)

    def work(progress: Progress) -> Outcome:
        here.holding.reopen(progress)
        here.desk.forget()
        return Outcome({"tables": {t.name: t.rows for t in here.holding.schema.tables}})

    return work


def _predict(here: Service, name: str) -> Work:
    target, reference = _target(here), here.registry.version(here.model(name)).reference

    def work(progress: Progress) -> Outcome:
        model = here.registry.load(reference)
        found = model.predict(target, explain=REASONS, progress=progress, **here.holding.how)
        told = {"model": str(reference), "query": model.query, **about(found)}
        return Outcome(told, rows=found.table)

    return work


def _grade(here: Service, name: str) -> Work:
    target, held = _target(here), here.registry.model(here.model(name))

    def work(progress: Progress) -> Outcome:
        grades = held.grade(target, progress=progress, **here.holding.how)
        return Outcome(grades.to_dict(), plots=(grades_plot(grades),))

    return work


def _monitor(here: Service, name: str) -> Work:
    target, held = _target(here), here.registry.model(here.model(name))

    def work(progress: Progress) -> Outcome:
        seen = held.monitor(target, progress=progress, **here.holding.how)
        plot = performance_plot(seen)
        return Outcome(seen.to_dict(), plots=() if plot is None else (plot,))

    return work


def _retrain(here: Service, asked: Retrain) -> Work:
    target, held = _target(here), here.registry.model(here.model(asked.model))

    def work(progress: Progress) -> Outcome:
        found = held.retrain(target, promote=asked.promote, progress=progress, **here.holding.how)
        return Outcome(found.to_dict())

    return work


def _report(here: Service, name: str) -> Work:
    target, version = _target(here), here.registry.version(here.model(name))

    def work(progress: Progress) -> Outcome:
        model = here.registry.load(version.reference)
        schema, now = model.task.schema, here.holding.now
        with open_database(target, schema=schema, now=now, progress=progress, **here.holding.how) as database:
            page = report_of(here, version, database)
        return Outcome({"model": str(version), "size": len(page.encode())}, page=page)

    return work


def _target(here: Service) -> str:
    if here.holding.target is None:
        raise NotFoundError("no database is served here", mend="start it as: foretell serve DATABASE")
    return here.holding.target


def about(found: Predictions) -> dict[str, Any]:
    """What predictions are, beside their rows."""
    return {
        "meaning": found.meaning,
        "level": found.level,
        "key": list(found.key),
        "count": len(found),
        "notes": list(found.notes),
    }


def explained(model: Model) -> dict[str, Any] | None:
    """What a model rests on; None where it was made by an earlier release."""
    found: Explanation | None = model.explanation
    return None if found is None else found.to_dict()


def plots_of(model: Model, labels: Any = None) -> tuple[Plot, ...]:
    """The plots of a model: of its backtest, of what drives it, of its labels where they are at hand."""
    made = list(backtest_plots(model.backtest))
    if labels is not None and (plot := labels_plot(labels)) is not None:
        made.insert(0, plot)
    if model.explanation is not None:
        made += explanation_plots(model.explanation)
    return tuple(made)
