"""Retraining: roll back what did harm, try a challenger, and promote it if it is surely better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from foretell.core.errors import UsageError
from foretell.core.progress import QUIET, Progress
from foretell.core.time import Offset, format_instant
from foretell.lifecycle.grading import last_grade
from foretell.lifecycle.grading.grade import refuse_given
from foretell.lifecycle.registry import Registry
from foretell.lifecycle.retrain.due import due
from foretell.lifecycle.retrain.looks import Look, keep_look, looks_of
from foretell.lifecycle.retrain.result import Outcome, Promote, Retrained
from foretell.lifecycle.retrain.rollback import checked
from foretell.lifecycle.retrain.trial import trained, tried
from foretell.lifecycle.retrain.unseen import Missing, Unseen, unseen
from foretell.lifecycle.version import Reference, Version
from foretell.models.choice import Choice
from foretell.models.criteria import title
from foretell.prediction import learn
from foretell.prediction.database import OpenDatabase
from foretell.prediction.inspect import inspect
from foretell.prediction.labels import computed_labels
from foretell.prediction.model import Model
from foretell.prediction.recipe import Recipe
from foretell.schema.breadth import Breadth

AUDITED = 1  # learning cutoffs that a version is looked over for leaks at
LARGER = 2.0  # times the budget, where the champion's own recipe lags


@dataclass(frozen=True)
class _Work:
    """What the steps of one retraining share."""

    registry: Registry
    database: OpenDatabase
    champion: Version
    model: Model
    epoch: int
    progress: Progress

    def result(self, outcome: Outcome, why: str, looks: tuple[Look, ...] = (), **more: Any) -> Retrained:
        name = self.champion.name
        now = self.registry.standing(name).champion or self.champion.number
        told = {"version": None, **more}
        return Retrained(
            name, self.registry.clock(), outcome, self.champion.number, now, looks=looks, why=why, **told
        )


def retrain(
    registry: Registry,
    name: str,
    database: OpenDatabase,
    *,
    promote: Promote | str = Promote.IF_BETTER,
    if_due: bool = False,
    every: Offset | None = None,
    progress: Progress = QUIET,
) -> Retrained:
    """Train by the champion's recipe and hold the result against it; the database is as of the clock.

    A champion that a trial promoted gives way first, where the one before it was surely better since.
    Then a challenger learns from what closed before unseen rows, both score those, and with `if-better` a
    model of everything is promoted where the challenger passes: surely better, no worse calibrated, no leak
    found. With `never` the new version stays a challenger, with `always` it is promoted whatever the trial
    says, unless it leaks. Where the recipe lags, a larger one is tried as well. With `if_due`, nothing is
    done before it is due (see `due`). A model of given labels, or frozen at a time, is a UsageError.
    """
    chosen = Promote.of(promote)
    champion = registry.version(name)
    refuse_given(champion)
    model = registry.load(champion.reference)
    _refuse_sealed(model)
    work = _Work(registry, database, champion, model, registry.standing(name).epoch, progress)
    progress.stage("checking the champion")
    check = checked(registry, name, database)
    if check is not None and check.promoted:
        why = registry.history(name)[-1].reason
        return work.result(Outcome.ROLLED_BACK, why, check=check, version=check.version)
    if if_due and not (found := due(registry, name, database, every=every)):
        return work.result(Outcome.NOT_DUE, str(found), check=check)
    rows = unseen(database, model.task, champion)
    if isinstance(rows, Missing):
        if chosen is Promote.IF_BETTER:
            return work.result(Outcome.TOO_FEW, str(rows), check=check)
        return replace(_released(work, chosen, _recipe(model), (), f"no trial: {rows}"), check=check)
    return replace(_contest(work, chosen, rows), check=check)


def _contest(work: _Work, promote: Promote, rows: Unseen) -> Retrained:
    """Try challengers on the rows, and release the recipe of the first that passes."""
    name, number = work.champion.name, work.champion.number
    held = looks_of(work.registry, name, number)
    known = tuple(k for k in held if k.last >= rows.last)
    if (
        known
    ):  # their trials stand: the same rows are not looked at twice, also after a run that was cut short
        told = next((k for k in known if k.passes), known[0])
        if promote is Promote.IF_BETTER and not told.passes:
            at = format_instant(rows.last)
            return work.result(Outcome.NOTHING_NEW, f"rows up to {at} were looked at before", known)
        if promote is Promote.IF_BETTER and told.version is not None:
            return _promoted(work, told, known)
        return _released(work, promote, Recipe.of(told.recipe), known, _why(told))
    looks: list[Look] = []
    for attempt, recipe in enumerate(_recipes(work, looks), 1):
        work.progress.stage(f"training a challenger on {len(rows.training.rows):,} rows")
        challenger = trained(work.database, work.model, rows.training, recipe, work.progress)
        work.progress.stage(f"comparing on {len(rows.judged.rows):,} rows")
        ruling = tried(
            work.database,
            work.model,
            challenger,
            rows.judged,
            look=len(held) + attempt,
            seed=recipe.budget.seed,
        )
        look = Look(
            number,
            rows.first,
            rows.last,
            attempt,
            ruling.to_dict(),
            recipe.to_dict(),
            at=work.registry.clock(),
        )
        looks.append(keep_look(work.registry, name, look))
        if ruling.passes:
            break
    best = next((k for k in looks if k.passes), None)
    if best is None and promote is Promote.IF_BETTER:
        return work.result(Outcome.NOT_BETTER, _why(looks[-1]), tuple(looks))
    told = best or looks[0]
    return _released(work, promote, Recipe.of(told.recipe), tuple(looks), _why(told))


def _promoted(work: _Work, look: Look, looks: tuple[Look, ...]) -> Retrained:
    """Promote a version that passed before and was kept as a challenger; one that leaks is a GateError."""
    name = work.champion.name
    version = work.registry.version(Reference(name, look.version or 0))
    work.registry.promote(version.reference, epoch=work.epoch, reason=_why(look))
    kept = keep_look(work.registry, name, replace(look, promoted=True))
    looks = tuple(kept if k is look else k for k in looks)
    return work.result(Outcome.PROMOTED, _why(look), looks, version=version.number)


def _recipes(work: _Work, looks: list[Look]) -> Iterator[Recipe]:
    """The champion's recipe; then a larger one, where that does worse or the champion's grades decay."""
    own = _recipe(work.model)
    yield own
    grade = last_grade(work.registry, work.champion)
    if looks[-1].ruling["worse"] or (grade is not None and grade.decays):
        budget = own.budget
        choice = Choice.AUTO if budget.choice is Choice.BASELINE else budget.choice
        larger = replace(budget, seconds=LARGER * budget.seconds, seed=budget.seed + 1, choice=choice)
        yield Recipe(larger, replace(own.settings, breadth=Breadth.MORE, budget=None))


def _recipe(model: Model) -> Recipe:
    """How a model was made; one from before recipes were kept has its budget and seed."""
    facts = model.facts
    if "recipe" in facts:
        return Recipe.of(facts["recipe"])
    return Recipe(learn.Budget(float(facts.get("time_limit", 30.0)), int(facts.get("seed", 0))))


def _released(work: _Work, promote: Promote, recipe: Recipe, looks: tuple[Look, ...], why: str) -> Retrained:
    """Train the recipe on everything, look for leaks, keep the version, and promote it where it may be."""
    registry, database, task, name = work.registry, work.database, work.model.task, work.champion.name
    work.progress.stage("training on everything")
    labels = computed_labels(database, task, learn.learning_moments(database, task))
    made = trained(database, work.model, labels, recipe, work.progress)
    work.progress.stage("looking for leaks")
    found = inspect(
        database,
        task,
        labels,
        recipe.settings,
        cutoffs=AUDITED,
        seed=recipe.budget.seed,
        progress=work.progress,
    )
    passed = any(k.passes for k in looks)
    wanted = promote is Promote.ALWAYS or (promote is Promote.IF_BETTER and passed)
    version = registry.add(name, made, audit=found.to_dict(), reason=f"retrained: {why}")
    if wanted and found.clean:
        registry.promote(version.reference, epoch=work.epoch + 1, reason=why)
    promoted = wanted and found.clean
    own = recipe.to_dict()
    looks = tuple(
        keep_look(registry, name, replace(k, version=version.number, promoted=promoted and k.passes))
        if k.recipe == own and k.version is None
        else k
        for k in looks
    )
    outcome = Outcome.PROMOTED if promoted else Outcome.LEAK if wanted else Outcome.CHALLENGER
    told = found.verdict if outcome is Outcome.LEAK else why
    return work.result(outcome, told, looks, version=version.number, audit=found.verdict)


def _why(look: Look) -> str:
    """A trial's finding in words."""
    r = look.ruling
    lift = r["lift"]
    if lift["low"] is None:
        return f"{title(r['metric'])} is not defined on the {r['rows']:,} unseen rows"
    size = f"{title(r['metric'])} by {lift['value']:+.4f} ({lift['low']:+.4f} to {lift['high']:+.4f})"
    said = f"on {r['rows']:,} unseen rows its challenger moves {size}"
    if r["passes"]:
        return said
    if r["better"]:
        return f"{said}, but is off by {r['off'][1]:.3f} where the champion is by {r['off'][0]:.3f}"
    return f"{said}; a difference of {r['least']:.4f} would have shown"


def _refuse_sealed(model: Model) -> None:
    if model.regime.at is not None:
        raise UsageError(
            f"the model was frozen at {format_instant(model.regime.at)}: nothing later may enter it",
            mend="fit it again with a later --frozen-at",
        )
