"""Training again: a challenger must be surely better on rows that neither it nor the champion has seen."""

from foretell.lifecycle.retrain.due import Due, due
from foretell.lifecycle.retrain.looks import Look, looks_of
from foretell.lifecycle.retrain.result import Outcome, Promote, Retrained
from foretell.lifecycle.retrain.retrain import retrain
from foretell.lifecycle.retrain.ruling import Ruling, rule

__all__ = [
    "Due",
    "Look",
    "Outcome",
    "Promote",
    "Retrained",
    "Ruling",
    "due",
    "looks_of",
    "retrain",
    "rule",
]
