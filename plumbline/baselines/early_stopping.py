"""XGBoost once more, stopped by the validation rows: shown beside the baseline, never released."""

import logging
import time
from typing import Any

from plumbline.baselines.boosted_trees import boosted, native_of, parameters, settled
from plumbline.baselines.examples import Examples
from plumbline.baselines.row_blocks import plain_matrix
from plumbline.baselines.score import validated
from plumbline.spec import BaselinesSpec

log = logging.getLogger(__name__)

MOST_TREES, PATIENCE = 2_000, 50
"""Rounds at most, and rounds without a smaller loss of the validation rows (counts)."""


def measured(given: Examples, beside: Examples, options: BaselinesSpec) -> dict[str, Any]:
    """trees (kept), rounds (trained), seconds, and what it does on the validation rows.

    It was stopped by the very rows that it is measured on, so what is measured flatters.

    given: the training rows. beside: the validation rows.
    """
    native, started = native_of(given), time.perf_counter()
    booster = boosted(
        given,
        native,
        parameters(given, options.seed),
        MOST_TREES,
        evals=[(plain_matrix(beside, native), "val")],
        early_stopping_rounds=PATIENCE,
    )
    seconds, rounds = time.perf_counter() - started, booster.num_boosted_rounds()
    kept = booster.best_iteration + 1
    scores = settled(booster[:kept], native, given).predict(beside.matrix)
    log.info("xgboost: stopped early after %d rounds, %d kept, in %.0f s", rounds, kept, seconds)
    return {
        "trees": kept,
        "rounds": rounds,
        "most_trees": MOST_TREES,
        "patience": PATIENCE,
        "seconds": seconds,
        "val": validated(
            *(given.task, beside.labels, scores, beside.weights),
            *(options.confidence, options.seed),
        ),
    }
