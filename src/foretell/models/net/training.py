"""Training and scoring: batches of neighbourhoods, AdamW under one cycle, the epoch that validates best.

Each copy draws its first weights, its order of rows and what it drops out from generators of its own, so that
nothing else in the process moves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from foretell.core.random import derive, generator
from foretell.features.matrix import Floats, Matrix
from foretell.graph import Neighbourhood
from foretell.graph.sample import Nodes
from foretell.models.abreast import ABREAST_ROWS, abreast
from foretell.models.base import Context
from foretell.models.criteria import losses
from foretell.models.dataset import Dataset, Index, Ints
from foretell.models.net.encoding import OWN, Reader, fit_encoding
from foretell.models.net.fitted import NetFitted, Weights, neighbourhood, schema_hash
from foretell.models.net.inputs import (
    Singles,
    encode_past,
    fit_columns,
    fit_scale,
    past_channels,
)
from foretell.models.net.module import (
    Batch,
    BranchShape,
    Reach,
    Read,
    RelationalNet,
    Shape,
    TableShape,
    initialise,
)
from foretell.models.net.recipe import Recipe
from foretell.task.model import TaskKind

SCORED = 512
"""Rows that are scored at a time."""
LEARNED_FROM = 2_048
"""Training rows whose neighbourhoods tell how rows are read."""
LARGEST_GRADIENT = 1.0
WARM = 0.2
"""The share of the steps in which the rate rises."""


@dataclass(frozen=True)
class Inputs:
    """Rows as the net is fed with them."""

    around: Neighbourhood
    columns: Singles  # (rows, columns)
    past: Singles  # (rows, steps, channels)

    @classmethod
    def of(cls, net: NetFitted, X: Matrix) -> Inputs:
        around = neighbourhood(X)
        return cls(around, net.columns.encode(X), encode_past(around.past, net.scale, net.classes))

    def __len__(self) -> int:
        return len(self.around)


def trained(net: NetFitted, data: Dataset, context: Context) -> NetFitted:
    """The net with one copy trained for each of `epochs`, its rules learned on the rows anew."""
    net = prepared(net, data, context)
    context.progress.stage("training the deep net", sum(net.epochs))

    def train_one(copy: int) -> Weights:
        found: Weights = {}
        for weights in islice(epochs(net, data, context, copy), net.epochs[copy]):
            found = weights
            context.progress.advance()
        return found

    copies = abreast(train_one, range(len(net.epochs)), rows=data.rows, threads=context.threads)
    return replace(net, weights=tuple(copies))


def validated(net: NetFitted, train: Dataset, valid: Dataset, context: Context, copies: range) -> NetFitted:
    """The net with these copies, each as it was after the epoch that foretells `valid` best."""
    net = prepared(net, train, context)
    context.progress.stage("training the deep net", len(copies) * net.recipe.epochs)

    def train_one(copy: int) -> tuple[float, int, Weights]:
        found: list[tuple[float, int, Weights]] = []
        for epoch, weights in enumerate(epochs(net, train, context, copy)):
            one = replace(net, weights=(weights,))
            loss = losses(net.kind, context.criterion, valid.y, one.predict(valid.X)).mean()
            found.append((float(loss), epoch + 1, weights))
            found = [min(found, key=lambda f: f[:2])]
            context.progress.advance()
        return found[0]

    best = list(abreast(train_one, copies, rows=train.rows, threads=context.threads))
    return replace(net, epochs=tuple(e for _, e, _ in best), weights=tuple(w for _, _, w in best))


def prepared(net: NetFitted, data: Dataset, context: Context) -> NetFitted:
    """The net with its rules learned on these rows, and no weights."""
    around = neighbourhood(data.X)
    some = np.sort(generator(context.seed, "net", "rules").permutation(data.rows)[:LEARNED_FROM])
    drawn = (
        around.take(part).sample(net.recipe.fanout) for part in np.array_split(some, -(-len(some) // SCORED))
    )
    return replace(
        net,
        schema=schema_hash(around.graph.task.schema),
        encoding=fit_encoding(around.graph, around.graph.tree(net.recipe.fanout), drawn),
        columns=fit_columns(data.X.take(some)),
        scale=fit_scale(net.kind, context.criterion.name, data.y),
        weights=(),
    )


def epochs(net: NetFitted, data: Dataset, context: Context, copy: int) -> Iterator[Weights]:
    """Train one copy, and give its weights after each epoch, which sees each row once.

    Of a row with copies (history frozen at other times) each epoch draws one.
    """
    with threads(1 if data.rows <= ABREAST_ROWS else context.threads):
        recipe, seed, device = net.recipe, derive(context.seed, "net", copy), chosen_device()
        module, inputs = _module(net, data.X), Inputs.of(net, data.X)
        initialise(module, seed, device)
        module.to(device).train()
        reader = Reader(inputs.around.graph, net.encoding)
        y = torch.from_numpy((net.scale.shaped(data.y)).astype(np.float32)).to(device)
        steps = -(-data.distinct // recipe.batch)
        adam = torch.optim.AdamW(module.parameters(), lr=recipe.rate, weight_decay=recipe.decay, fused=True)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            adam, recipe.rate, total_steps=steps * recipe.epochs, pct_start=WARM
        )
        shuffle = generator(seed, "order")
        for _ in range(recipe.epochs):
            order = each_once(shuffle.permutation(data.rows), data.occasions)
            for index in np.array_split(order, steps):
                batch = _batch(reader, recipe, inputs, index).to(device)
                with _autocast(device):
                    scores = module(batch)
                loss = _loss(net.kind, context.criterion.name, scores.float(), y[index])
                adam.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(module.parameters(), LARGEST_GRADIENT)
                adam.step()
                cycle.step()
            yield {n: p.detach().cpu().numpy().copy() for n, p in module.state_dict().items()}


def each_once(order: Index, occasions: Ints) -> Index:
    """The order with one copy of each row, the first in it.

    >>> each_once(np.array([3, 0, 1, 2]), np.array([0, 1, 0, 1])).tolist()
    [3, 0]
    """
    _, first = np.unique(occasions[order], return_index=True)
    return order[np.sort(first)]


def score(net: NetFitted, weights: Weights, X: Matrix) -> Floats:
    """The scores of one copy, in its own scale: (rows, outputs)."""
    device = chosen_device()
    module, inputs = _module(net, X), Inputs.of(net, X)
    module.load_state_dict({n: torch.from_numpy(w) for n, w in weights.items()}, assign=True)
    module.to(device).eval()
    reader = Reader(inputs.around.graph, net.encoding)
    found = []
    with torch.inference_mode():
        for first in range(0, X.rows, SCORED):
            index = np.arange(first, min(first + SCORED, X.rows))
            found.append(module(_batch(reader, net.recipe, inputs, index).to(device)).double().cpu().numpy())
    return np.concatenate(found)


def chosen_device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for what this one does."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


def _loss(kind: TaskKind, criterion: str, scores: Tensor, y: Tensor) -> Tensor:
    if kind is TaskKind.BINARY:
        return F.binary_cross_entropy_with_logits(scores[:, 0], y)
    if kind is TaskKind.MULTICLASS:
        return F.cross_entropy(scores, y.long())
    if criterion == "mae":
        return F.smooth_l1_loss(scores[:, 0], y, beta=0.1)
    return F.mse_loss(scores[:, 0], y)


def _module(net: NetFitted, X: Matrix) -> RelationalNet:
    """The net's layers, without weights."""
    around, rules = neighbourhood(X), net.encoding.rules

    def table(part: str) -> TableShape:
        rule = rules[part]
        words = tuple(len(c.words) + 1 for c in rule.categories)
        return TableShape(rule.size, words, rule.age)

    shape = Shape(
        own=table(OWN),
        tables=tuple((name, table(name)) for name in rules if name != OWN),
        branches=tuple(BranchShape(b.start, b.table, b.hop.up) for b in around.graph.tree(net.recipe.fanout)),
        past=past_channels(net.classes) if around.past.ages.shape[1] else 0,
        recent=net.kind is TaskKind.REGRESSION and around.past.ages.shape[1] > 0,
        columns=net.columns.size,
        outputs=max(1, len(net.classes)),
        width=net.recipe.width,
        heads=net.recipe.heads,
        dropout=net.recipe.dropout,
    )
    with torch.device("meta"):
        made = RelationalNet(shape)
    return made.to_empty(device="cpu")


def _batch(reader: Reader, recipe: Recipe, inputs: Inputs, index: Index) -> Batch:
    """The neighbourhoods of some of the rows."""
    around = inputs.around.take(index)
    drawn = around.sample(recipe.fanout)

    def read(part: str, nodes: Nodes) -> Read:
        found = reader.read(part, nodes)
        return Read(*(torch.from_numpy(a) for a in (found.numbers, found.codes, found.ages)))

    reached = tuple(
        Reach(
            read(branch.table, reach.nodes),
            torch.from_numpy(np.where(reach.slots < 0, len(reach.nodes), reach.slots)),
            torch.from_numpy(np.log1p(reach.degrees).astype(np.float32)),
        )
        for branch, reach in zip(reader.graph.tree(recipe.fanout), drawn.reached)
    )
    return Batch(
        own=torch.from_numpy(drawn.own),
        root=read(OWN, drawn.root),
        reached=reached,
        past=torch.from_numpy(inputs.past[index]),
        past_there=torch.from_numpy(~np.isnan(around.past.ages)),
        columns=torch.from_numpy(inputs.columns[index]),
    )
