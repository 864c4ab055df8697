"""Training and scoring of TabM: every member has its own loss, and their predictions are averaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import numpy as np
import tabm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foretell.core.random import derive
from foretell.features.matrix import Floats, Matrix
from foretell.models.base import Context
from foretell.models.dataset import Dataset
from foretell.models.encode import fit_linear_encoder
from foretell.models.tabm.fitted import TabMFitted, Weights
from foretell.models.tabm.recipe import Recipe
from foretell.task.model import TaskKind

SCORED = 4_096
"""Rows that are scored at a time."""
LARGEST_GRADIENT = 1.0


def trained(name: str, recipe: Recipe, data: Dataset, epochs: int, context: Context) -> TabMFitted:
    """A TabM after so many epochs on these rows."""
    start, encoded = _prepared(name, recipe, data, context)
    context.progress.stage("training TabM", epochs)
    for weights in islice(_epochs(start, encoded, data.y, context), epochs):
        start = replace(start, epochs=start.epochs + 1, weights=weights)
        context.progress.advance()
    return start


def validated(name: str, recipe: Recipe, train: Dataset, valid: Dataset, context: Context) -> TabMFitted:
    """A TabM as it was after the epoch that foretells `valid` best, where no later one was tried in vain more
    often than the recipe's patience.
    """
    start, encoded = _prepared(name, recipe, train, context)
    best, most = start, -np.inf
    context.progress.stage("training TabM", recipe.epochs)
    for epoch, weights in enumerate(_epochs(start, encoded, train.y, context), start=1):
        tried = replace(start, epochs=epoch, weights=weights)
        gain = context.criterion.gain(valid.y, tried.predict(valid.X))
        context.progress.advance()
        if gain > most:
            best, most = tried, gain
        elif epoch - best.epochs >= recipe.patience:
            break
    return best


def score(fitted: TabMFitted, X: Matrix) -> Floats:
    """(n,) probabilities, (n,) values, or (n, k) class probabilities."""
    encoded = fitted.encoder.encode(X).astype(np.float32)
    device = _device()
    with torch.device("meta"):  # without weights
        module = _module(fitted, encoded.shape[1])
    module.load_state_dict({n: torch.tensor(a) for n, a in fitted.weights.items()}, assign=True)
    module.to(device).eval()
    found = [np.empty((0, fitted.recipe.members, fitted.classes))]
    with torch.inference_mode():
        for first in range(0, len(encoded), SCORED):
            part = torch.from_numpy(encoded[first : first + SCORED]).to(device)
            found.append(_natural(fitted.kind, module(part)).double().cpu().numpy())
    out: Floats = np.concatenate(found).mean(axis=1)  # (rows, outputs)
    if fitted.kind is TaskKind.MULTICLASS:
        return out
    return out[:, 0] * fitted.scale + fitted.mean


def _prepared(name: str, recipe: Recipe, data: Dataset, context: Context) -> tuple[TabMFitted, Floats]:
    """A TabM without weights, and the rows as it reads them."""
    encoder, encoded = fit_linear_encoder(data, context.kind)
    values = context.kind is TaskKind.REGRESSION
    return TabMFitted(
        name=name,
        kind=context.kind,
        classes=max(1, len(context.classes)) if context.kind is TaskKind.MULTICLASS else 1,
        recipe=recipe,
        encoder=encoder,
        epochs=0,
        mean=float(data.y.mean()) if values else 0.0,
        scale=float(data.y.std()) or 1.0 if values else 1.0,
        weights={},
    ), encoded


def _epochs(start: TabMFitted, encoded: Floats, y: Floats, context: Context) -> Iterator[Weights]:
    """Train, and give the weights after each epoch."""
    recipe, device = start.recipe, _device()
    rows = torch.from_numpy(encoded.astype(np.float32)).to(device)
    labels = torch.from_numpy(((y - start.mean) / start.scale).astype(np.float32)).to(device)
    seed = derive(context.seed, "tabm") % 2**63
    with _drawn_from(seed):
        module = _module(start, rows.shape[1]).to(device)
        state = torch.random.get_rng_state()
    adam = torch.optim.AdamW(module.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    for _ in range(recipe.epochs):
        module.train()
        with _drawn_from(state), _threads(context.threads):
            for index in torch.split(torch.randperm(len(rows)), recipe.batch):
                at = index.to(device)
                loss = _loss(context, module(rows[at]), labels[at])
                adam.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
                adam.step()
            state = torch.random.get_rng_state()
        yield {n: t.detach().cpu().numpy().copy() for n, t in module.state_dict().items()}


def _loss(context: Context, scores: Tensor, y: Tensor) -> Tensor:
    """The mean loss of the members, each for itself: scores (rows, members, outputs), y (rows,)."""
    members = scores.shape[1]
    truth = y[:, None].expand(-1, members)
    if context.kind is TaskKind.MULTICLASS:
        return F.cross_entropy(scores.flatten(0, 1), truth.flatten().long())
    if context.kind is TaskKind.BINARY:
        return F.binary_cross_entropy_with_logits(scores[..., 0], truth)
    if context.criterion.name == "mae":
        return F.l1_loss(scores[..., 0], truth)
    return F.mse_loss(scores[..., 0], truth)


def _natural(kind: TaskKind, scores: Tensor) -> Tensor:
    """Scores as probabilities or (centred) values."""
    if kind is TaskKind.BINARY:
        return torch.sigmoid(scores)
    return torch.softmax(scores, dim=-1) if kind is TaskKind.MULTICLASS else scores


def _module(fitted: TabMFitted, columns: int) -> nn.Module:
    recipe = fitted.recipe
    return nn.Sequential(
        tabm.EnsembleView(k=recipe.members),
        tabm.make_tabm_backbone(
            d_in=columns,
            n_blocks=recipe.blocks,
            d_block=recipe.width,
            dropout=recipe.dropout,
            activation="ReLU",
            k=recipe.members,
            arch_type="tabm-mini",
            start_scaling_init="random-signs",
            start_scaling_init_chunks=[1] * columns,
        ),
        tabm.LinearEnsemble(recipe.width, fitted.classes, k=recipe.members),
    )


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def _drawn_from(source: int | Tensor) -> Iterator[None]:
    """Torch's generator as a seed or an earlier state leaves it; outside nothing has moved."""
    with torch.random.fork_rng():
        if isinstance(source, int):
            torch.random.manual_seed(source)
        else:
            torch.random.set_rng_state(source)
        yield


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, count))
    try:
        yield
    finally:
        torch.set_num_threads(before)
