"""The net: rows encoded by table, gathered up a tree of paths by attention, read out at the entity.

Scaled dot-product attention is Vaswani et al. 2017; beside it stand the plain mean and the count of rows, as
in principal neighbourhood aggregation (Corso et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DAYS = (7.0, 365.25)
"""Periods that ages are read in, in days."""
OCTAVES = 4
LAST = (1, 4, 24)
"""Counts of the latest past labels whose means are added to the score as they are."""
EMBEDDED = 0.7
"""The deviation of a word's first embedding, over the root of how many words there are: columns of many words
are the first to be learned by heart.
"""


@dataclass(frozen=True)
class Read:
    """Rows of one table as tensors."""

    numbers: Tensor  # (rows, numbers)
    codes: Tensor  # (rows, categories)
    ages: Tensor  # (rows,) days; empty without a time

    def to(self, device: torch.device) -> Read:
        """The same on a device."""
        return Read(self.numbers.to(device), self.codes.to(device), self.ages.to(device))


@dataclass(frozen=True)
class Reach:
    """What a branch leads to. A slot of `len(rows)` is empty."""

    rows: Read
    slots: Tensor  # (starts, most)
    degrees: Tensor  # (starts,): the logarithm of 1 more

    def to(self, device: torch.device) -> Reach:
        """The same on a device."""
        return Reach(self.rows.to(device), self.slots.to(device), self.degrees.to(device))


@dataclass(frozen=True)
class Batch:
    """Neighbourhoods as tensors."""

    own: Tensor  # (batch,): which of the root's rows
    root: Read
    reached: tuple[Reach, ...]
    past: Tensor  # (batch, steps, channels)
    past_there: Tensor  # (batch, steps)
    columns: Tensor  # (batch, columns)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(
            self.own.to(device),
            self.root.to(device),
            tuple(r.to(device) for r in self.reached),
            self.past.to(device),
            self.past_there.to(device),
            self.columns.to(device),
        )


@dataclass(frozen=True)
class TableShape:
    """Sizes of what is read of a table's rows; `age` is (mean, deviation) of the logarithm."""

    numbers: int
    words: tuple[int, ...]
    age: tuple[float, float] | None


@dataclass(frozen=True)
class BranchShape:
    """Branch -1 is the entity."""

    start: int
    table: str
    up: bool


@dataclass(frozen=True)
class Shape:
    """Everything that the size of a net follows from; `recent` adds means of past labels to the score."""

    own: TableShape
    tables: tuple[tuple[str, TableShape], ...]
    branches: tuple[BranchShape, ...]
    past: int
    recent: bool
    columns: int
    outputs: int
    width: int = 64
    heads: int = 4
    dropout: float = 0.1


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own, so that nothing else in the process moves it."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * kept / (1 - self.rate)


class Residual(nn.Module):
    """x + MLP(norm(x))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.dropout(self.down(F.gelu(self.up(self.norm(x)))))
        return out


class RowEncoder(nn.Module):
    """Rows of one table, and how long ago they were, in one vector each."""

    def __init__(self, shape: TableShape, width: int) -> None:
        super().__init__()
        self.age = shape.age
        sizes = [min(16, 2 + round(w**0.5)) for w in shape.words]
        self.embeddings = nn.ModuleList(nn.Embedding(w, s) for w, s in zip(shape.words, sizes))
        times = 0 if shape.age is None else 1 + 2 * (OCTAVES + len(DAYS))
        self.first = nn.Linear(shape.numbers + sum(sizes) + times + 1, width)
        self.second = nn.Linear(width, width)

    def forward(self, read: Read) -> Tensor:
        parts = [read.numbers, read.numbers.new_ones((len(read.numbers), 1))]
        parts += [e(read.codes[:, i]) for i, e in enumerate(self.embeddings)]
        if self.age is not None:
            parts.append(times(read.ages, *self.age))
        out: Tensor = self.second(F.gelu(self.first(torch.cat(parts, dim=1))))
        return out


def times(days: Tensor, mean: float, deviation: float) -> Tensor:
    """How long ago: its logarithm, waves along it, its place in the week and the year. (rows, channels)"""
    z = (torch.log(days.clamp(min=0) + 1 / 1440) - mean) / deviation
    angles = [z * (2.0**k) for k in range(OCTAVES)] + [days * (2 * torch.pi / d) for d in DAYS]
    waves = [w for a in angles for w in (torch.sin(a), torch.cos(a))]
    return torch.stack([z.clamp(-5, 5), *waves], dim=1)


class Gather(nn.Module):
    """What the rows at the end of a branch say to the row that it starts from."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(2 * width + 2, width)

    def forward(self, start: Tensor, ends: Tensor, slots: Tensor, degrees: Tensor) -> Tensor:
        count, most = slots.shape
        width = start.shape[1]
        known = torch.cat([self.key_value(ends), ends.new_zeros((1, 2 * width))])  # (ends + 1, 2 width)
        found = F.embedding(slots, known)  # (starts, most, 2 width)
        there = slots < len(ends)  # (starts, most)
        split = found.view(count, most, 2, self.heads, width // self.heads)
        keys, values = split[:, :, 0], split[:, :, 1]  # (starts, most, heads, channels)
        query = self.query(start).view(count, 1, self.heads, width // self.heads)
        score = (query * keys).sum(-1).float() / (width // self.heads) ** 0.5
        score = score.masked_fill(~there[:, :, None], -1e9)
        weight = torch.softmax(score, dim=1) * there[:, :, None]
        attended = (weight[..., None].to(values.dtype) * values).sum(1).reshape(count, width)
        size = there.sum(1, keepdim=True)
        mean = values.sum(1).reshape(count, width) / size.clamp(min=1)
        extra = torch.stack([degrees, (size[:, 0] > 0).to(degrees.dtype)], dim=1)
        out: Tensor = self.out(torch.cat([attended, mean, extra], dim=1))
        return out


class Parent(nn.Module):
    """What a row's one parent says to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(width + 1, width)

    def forward(self, start: Tensor, ends: Tensor, slots: Tensor, degrees: Tensor) -> Tensor:
        known = torch.cat([ends, ends.new_zeros((1, ends.shape[1]))])
        there = (slots < len(ends)).to(start.dtype)  # (starts, 1)
        out: Tensor = self.out(torch.cat([F.embedding(slots[:, 0], known), there], dim=1))
        return out


class RelationalNet(nn.Module):
    """Scores of entities from their neighbourhoods: (batch, outputs) in link space."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.own = RowEncoder(shape.own, width)
        self.places = {name: i for i, (name, _) in enumerate(shape.tables)}
        self.tables = nn.ModuleList(RowEncoder(t, width) for _, t in shape.tables)
        self.gathers = nn.ModuleList(
            Parent(width) if b.up else Gather(width, shape.heads) for b in shape.branches
        )
        self.blocks = nn.ModuleList(Residual(width, shape.dropout) for _ in shape.branches)
        self.root = Residual(width, shape.dropout)
        self.past_in = nn.Linear(max(shape.past, 1), width)
        self.past_gather = Gather(width, shape.heads)
        self.columns_in = nn.Linear(max(shape.columns, 1), 2 * width)
        joined = width + (width if shape.past else 0) + (2 * width if shape.columns else 0)
        self.recent = nn.Linear(len(LAST) * max(shape.past, 1), shape.outputs) if shape.recent else None
        self.norm = nn.LayerNorm(joined)
        self.hidden = nn.Linear(joined, 2 * width)
        self.drop = Dropout(shape.dropout)
        self.out = nn.Linear(2 * width, shape.outputs)

    def forward(self, batch: Batch) -> Tensor:
        shape = self.shape
        states = [self.tables[self.places[b.table]](r.rows) for b, r in zip(shape.branches, batch.reached)]
        root = self.own(batch.root)
        for i in reversed(range(len(shape.branches))):
            branch, reach = shape.branches[i], batch.reached[i]
            ends = self.blocks[i](states[i])
            start = root if branch.start < 0 else states[branch.start]
            said = self.gathers[i](start, ends, reach.slots, reach.degrees)
            if branch.start < 0:
                root = root + said
            else:
                states[branch.start] = start + said
        root = self.root(root)
        parts = [F.embedding(batch.own, root)]
        if shape.past:
            parts.append(self._past(parts[0], batch))
        if shape.columns:
            parts.append(F.gelu(self.columns_in(batch.columns)))
        joined = self.norm(torch.cat(parts, dim=1))
        out: Tensor = self.out(self.drop(F.gelu(self.hidden(joined))))
        return out if self.recent is None else out + self.recent(recent_means(batch))

    def _past(self, own: Tensor, batch: Batch) -> Tensor:
        rows, steps, channels = batch.past.shape
        ends = F.gelu(self.past_in(batch.past.reshape(rows * steps, channels)))
        slots = torch.arange(rows * steps, device=own.device).view(rows, steps)
        slots = torch.where(batch.past_there, slots, rows * steps)
        known = torch.log1p(batch.past_there.sum(1).to(own.dtype))
        out: Tensor = self.past_gather(own, ends, slots, known)
        return out


def recent_means(batch: Batch) -> Tensor:
    """The means of the latest past labels, over several counts of them: (batch, counts × channels)."""
    there = batch.past_there[..., None].to(batch.past.dtype)
    held = batch.past * there
    means = [held[:, :n].sum(1) / there[:, :n].sum(1).clamp(min=1) for n in LAST]
    return torch.cat(means, dim=1)


def initialise(net: nn.Module, seed: int, device: torch.device) -> None:
    """Weights drawn from a generator of their own: uniform in ±1/√inputs; embeddings are normal.

    Every device starts from the same weights; what is dropped out is drawn on `device`.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            match module:
                case nn.Linear():
                    bound = module.in_features**-0.5
                    module.weight.uniform_(-bound, bound, generator=generator)
                    module.bias.uniform_(-bound, bound, generator=generator)
                case nn.Embedding():
                    module.weight.normal_(0.0, EMBEDDED * module.num_embeddings**-0.5, generator=generator)
                case nn.LayerNorm():
                    module.weight.fill_(1.0)
                    module.bias.zero_()
                case Dropout():
                    module.generator = torch.Generator(device).manual_seed(seed)
