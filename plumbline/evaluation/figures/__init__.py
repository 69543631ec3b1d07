"""Figures as PNG bytes, 704 pixels wide, for pages and reports."""

from plumbline.evaluation.figures.data import split_bars
from plumbline.evaluation.figures.fitting import importances, learning_curves
from plumbline.evaluation.figures.of_evaluation import of_decision, of_evaluation
from plumbline.evaluation.figures.probabilities import calibration
from plumbline.evaluation.figures.ranking import precision_recall, roc
from plumbline.evaluation.figures.rates import range_test
from plumbline.evaluation.figures.search import parallel_coordinates, search_history
from plumbline.evaluation.figures.verdict import intervals

__all__ = [
    "calibration",
    "importances",
    "intervals",
    "learning_curves",
    "of_decision",
    "of_evaluation",
    "parallel_coordinates",
    "precision_recall",
    "range_test",
    "roc",
    "search_history",
    "split_bars",
]
