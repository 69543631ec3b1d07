"""Figures of every stage, drawn from what it stored: PNG, 704 pixels wide, or SVG."""

from plumbline.evaluation.figures.data import split_bars
from plumbline.evaluation.figures.drift import drift
from plumbline.evaluation.figures.fitting import importances, learning_curves
from plumbline.evaluation.figures.histograms import histograms
from plumbline.evaluation.figures.of_evaluation import WinnersVal, of_evaluation
from plumbline.evaluation.figures.probabilities import calibration
from plumbline.evaluation.figures.ranking import precision_recall, roc
from plumbline.evaluation.figures.rates import range_test
from plumbline.evaluation.figures.scaling import scaled_features
from plumbline.evaluation.figures.scores import gate, optimism
from plumbline.evaluation.figures.search import parallel_coordinates, search_history
from plumbline.evaluation.figures.verdict import intervals

__all__ = [
    "WinnersVal",
    "calibration",
    "drift",
    "gate",
    "histograms",
    "importances",
    "intervals",
    "learning_curves",
    "of_evaluation",
    "optimism",
    "parallel_coordinates",
    "precision_recall",
    "range_test",
    "roc",
    "scaled_features",
    "search_history",
    "split_bars",
]
