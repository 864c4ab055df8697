"""Links: the space in which members are averaged and contributions add up.

Binary scores live in log-odds, class probabilities in log-probabilities, values in their own unit. Averaging
there, rather than averaging probabilities, keeps every explanation exact: contributions simply add.
"""

from __future__ import annotations

import numpy as np

from foretell.features.matrix import Floats
from foretell.task.model import TaskKind

EDGE = 1e-9
"""Probabilities are kept this far from 0 and 1."""


def to_link(kind: TaskKind, scores: Floats) -> Floats:
    """Scores in the space where they add: logit, log or the value itself.

    >>> to_link(TaskKind.BINARY, np.array([0.5]))
    array([0.])
    """
    if kind is TaskKind.BINARY:
        p = np.clip(scores, EDGE, 1 - EDGE)
        return np.asarray(np.log(p) - np.log1p(-p))
    if kind is TaskKind.MULTICLASS:
        logs = np.log(np.clip(scores, EDGE, 1.0))
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))
    return scores


def from_link(kind: TaskKind, raw: Floats) -> Floats:
    """The way back: probabilities, class probabilities that sum to 1, values."""
    if kind is TaskKind.BINARY:
        return sigmoid(raw)
    if kind is TaskKind.MULTICLASS:
        return softmax(raw)
    return raw


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + e^-z), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def softmax(z: Floats) -> Floats:
    """Along the last axis; each row sums to 1."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))
