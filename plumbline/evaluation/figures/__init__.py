"""Figures as PNG bytes, 704 pixels wide, for pages and reports."""

from plumbline.evaluation.figures.data import split_bars
from plumbline.evaluation.figures.fitting import importances, learning_curves
from plumbline.evaluation.figures.probabilities import calibration
from plumbline.evaluation.figures.ranking import precision_recall, roc
from plumbline.evaluation.figures.verdict import intervals

__all__ = [
    "calibration",
    "importances",
    "intervals",
    "learning_curves",
    "precision_recall",
    "roc",
    "split_bars",
]
