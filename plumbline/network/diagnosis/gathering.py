"""The evidence of a training that has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plumbline.metrics.parts import EVEN
from plumbline.network import hardware
from plumbline.network.diagnosis import yardstick
from plumbline.network.diagnosis.columns import columns
from plumbline.network.diagnosis.evidence import Evidence, Fit, Label, Layer, Smoke
from plumbline.network.diagnosis.floor import linear_scores
from plumbline.network.diagnosis.layers import probed
from plumbline.network.diagnosis.sampling import places, sampled
from plumbline.network.diagnosis.watch import Watch, Watched
from plumbline.network.examples import Examples, arrays
from plumbline.network.tasks import Objective
from plumbline.spec.auxiliary import MAIN

VAL_ROWS = 20_000
"""Validation rows that network and linear model are compared on at most (count)."""

PROBED = 512
"""Training rows that layers are looked at with: a unit that answers to one row in a hundred
passes for dead in less than one case in a hundred."""

PROBED_BYTES = 8 * 2**20
"""Pixels of those rows, at most: what every layer makes of them is held together (bytes)."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the training ended."""

    history: Mapping[str, Sequence[float]]
    best_epoch: int
    val_scores: np.ndarray
    smoke_test: Mapping[str, Any]


def gathered(watch: Watch, ended: Ended) -> Evidence:
    """All that the rules read; the network holds the weights that were kept."""
    watched, history = watch.watched, ended.history
    train_fit, val_fit = _fits(watched, watch, ended)
    return Evidence(
        task=watched.goal.task,
        hyperparameters=vars(watched.recipe),
        loss=history.get(f"{MAIN}_loss", history["loss"]),
        train_loss=history["train_loss"],
        val_loss=history["val_loss"],
        rates=watch.rates,
        moved=watch.moved,
        best_epoch=ended.best_epoch,
        train=train_fit,
        val=val_fit,
        label=_label(watched, ended.val_scores),
        columns=columns(watched.train.matrix),
        layers=_layers(watched, watch),
        smoke=_smoke(ended.smoke_test),
        waited=_waited(history),
        stepped=sum(history["seconds"]),
        unused_gpu=_unused_gpu(),
    )


def _fits(watched: Watched, watch: Watch, ended: Ended) -> tuple[Fit, Fit]:
    goal, units, train, sample = watched.goal, watched.units, watched.train, watch.sample
    # Of these rows only numbers, categories and labels are read: the network has answered.
    weighed = _weighed(watched)
    val = sampled(replace(weighed, matrix=weighed.matrix.without_images()), VAL_ROWS)
    val_scores = ended.val_scores[places(len(ended.val_scores), VAL_ROWS)]
    scores = watched.predictor.predict(sample.matrix)
    on_train, on_val = linear_scores(goal, train, [sample.matrix, val.matrix])
    return (
        yardstick.fit(goal, units, train, sample, scores=scores, linear=on_train),
        yardstick.fit(goal, units, train, val, scores=val_scores, linear=on_val),
    )


def _weighed(watched: Watched) -> Examples:
    """The validation rows, weighed by class where the training rows are."""
    train, val = watched.train, watched.val
    if watched.goal.class_weights is None or train.weights is None:
        return val
    totals = np.bincount(train.labels, weights=train.weights)
    means = totals / np.maximum(1, np.bincount(train.labels))
    return Examples(matrix=val.matrix, labels=val.labels, weights=means[val.labels])


def _label(watched: Watched, scores: np.ndarray) -> Label:
    goal, labels, val = watched.goal, watched.train.labels, watched.val.labels
    truth = val[:, None] == np.arange(goal.outputs) if goal.task == "multiclass" else val
    spreads = np.atleast_1d(scores.std(axis=0)) / np.maximum(
        np.atleast_1d(truth.std(axis=0)), 1e-12
    )
    shares, predicted = _shares(goal, labels, scores)
    return Label(shares=shares, predicted=predicted, spread=float(spreads.max()))


def _shares(
    goal: Objective, labels: np.ndarray, scores: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Of each class among the training rows, and among the decisions of `scores`."""
    if goal.task == "regression":
        return (), ()
    if goal.task == "multilabel":
        there, said = labels.mean(axis=0), (scores >= EVEN).mean(axis=0)
        return tuple(there.tolist()), tuple(said.tolist())
    codes = max(2, goal.outputs)
    decided = scores.argmax(axis=1) if goal.task == "multiclass" else scores >= EVEN
    there, said = (
        np.bincount(one, minlength=codes) / len(one) for one in (labels, decided.astype(np.int64))
    )
    return tuple(there.tolist()), tuple(said.tolist())


def _layers(watched: Watched, watch: Watch) -> tuple[Layer, ...]:
    rows = sampled(watched.train, PROBED, PROBED_BYTES)
    rows = arrays(rows, watched.goal, watched.units)
    return probed(watch.training, watch.initial_weights, rows)


def _waited(history: Mapping[str, Sequence[float]]) -> float:
    """Seconds that steps waited for rows, over all epochs."""
    shares = history.get("wait_share", [0.0] * len(history["seconds"]))
    return sum(share * took for share, took in zip(shares, history["seconds"], strict=True))


def _unused_gpu() -> str:
    """Name of the first GPU, where there is one and the backend does not use it."""
    known = hardware.facts()
    return known["gpus"][0]["name"] if known["gpu_present"] and not known["gpu_used"] else ""


def _smoke(report: Mapping[str, Any]) -> Smoke | None:
    if "loss" not in report:
        return None
    return Smoke(**{name: report[name] for name in ("loss", "expected", "tolerance")})
