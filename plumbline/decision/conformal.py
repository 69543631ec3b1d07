"""Conformal margins by the validation rows, and whether the test rows bear them out."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np

from plumbline.decision.decision import Decision
from plumbline.decision.sample import Sample
from plumbline.decision.sets import Conformal, of_both
from plumbline.errors import DecisionError
from plumbline.metrics.bootstrap import Resampled, resampled
from plumbline.metrics.ratios import Ratios

_SLACK = 1e-9
"""What a margin is lowered by: no row leaves its set by the last bits of its score."""


def fit(coverage: float, val: Sample) -> Conformal:
    """Margins with the correction for finite samples: the ceil((n + 1) coverage)-th best row.

    Binary and multiclass: least ambiguous sets, by the probability given to the right class.
    Multilabel: the same for each label, of the rows that have it. Regression: the split
    conformal interval of absolute residuals, of equal width everywhere.

    val: calibrated scores, by calibrations that each row had no part in.

    Sources: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); Sadinle,
    Lei and Wasserman, Least ambiguous set-valued classifiers with bounded error levels, Journal
    of the American Statistical Association 114 (2019); Lei, G'Sell, Rinaldo, Tibshirani and
    Wasserman, Distribution-free predictive inference for regression, the same 113 (2018).

    Raises:
        DecisionError: a regression has too few rows for the coverage.
    """
    labels, scores = val.labels, val.scores
    match val.task:
        case "binary":
            margins = [_least(of_both(scores)[np.arange(len(labels)), labels], coverage)]
        case "multiclass":
            margins = [_least(scores[np.arange(len(labels)), labels], coverage)]
        case "multilabel":
            columns = zip(labels.T, scores.T, strict=True)
            margins = [_least(given[there == 1], coverage) for there, given in columns]
        case "regression":
            margins = [_half_width(np.abs(scores - labels), coverage)]
    return Conformal(coverage=coverage, margins=tuple(margins))


def expected(decision: Decision, val: Sample) -> dict[str, Any] | None:
    """nominal; rows (count) that each margin rests on, and low and high, between which the coverage
    of many new rows lies for 95 % of such samples; None without conformal.

    The guarantee is of the mean over samples: one that is small may cover less. Low and high
    are quantiles of a beta distribution, for independent rows and continuous scores; labels
    with too few rows cover all.

    Source: Vovk, Conditional validity of inductive conformal predictors, Machine Learning 92
    (2013).
    """
    if decision.conformal is None:
        return None
    from scipy.stats import beta

    several = val.task == "multilabel"
    rows = val.labels.sum(axis=0, dtype=np.int64) if several else np.array([len(val.labels)])
    nominal = decision.conformal.coverage
    ranks = np.array([_rank(int(one), nominal) for one in rows])
    low, high = (
        np.where(ranks > rows, 1.0, beta.ppf(tail, ranks, np.maximum(rows + 1 - ranks, 1)))
        for tail in (0.025, 0.975)
    )
    return {"nominal": nominal, "rows": rows.tolist(), "low": low.tolist(), "high": high.tolist()}


def checked(
    decision: Decision,
    rows: Sample,
    foreseen: Mapping[str, Any] | None,
    found: Resampled | None = None,
) -> dict[str, Any] | None:
    """What became of the coverage on rows that had no part in it; None without conformal.

    coverage and size: {value, low, high}, size being classes or labels in a set (mean count) or
    the interval's width; held: whether the coverage's interval reaches what was to be expected
    of the validation rows. For multilabel coverage is that of all labels together, and labels
    has each one's, with the rows it is measured on.

    rows: calibrated scores. foreseen: as `expected` gave it. found: `shares` on resamples, where
    they were drawn together with others.
    """
    if decision.conformal is None or foreseen is None:
        return None
    covered, counted, _ = _covered(decision.conformal, rows)
    drawn = found or resampled({"": shares(decision.conformal, rows)}, rows.draws)[""]
    ends = drawn.intervals(rows.confidence)
    coverage = ends.get("coverage")
    return {
        "coverage": coverage and asdict(coverage),
        "size": asdict(ends["size"]),
        "held": coverage is None or coverage.high >= _least_expected(foreseen, counted),
        **({"labels": _each(decision, covered, counted)} if rows.task == "multilabel" else {}),
    }


def shares(conformal: Conformal, rows: Sample) -> Ratios:
    """coverage and size, to be resampled."""
    covered, counted, sizes = _covered(conformal, rows)
    return Ratios(
        names=("coverage", "size"),
        upper=np.stack([covered.sum(axis=1), sizes], axis=1),
        lower=np.stack([counted.sum(axis=1), np.ones(len(sizes))], axis=1),
    )


def _least_expected(foreseen: Mapping[str, Any], counted: np.ndarray) -> float:
    """The lower end of what was expected: of several labels their mean, by the rows that count."""
    return float(np.average(foreseen["low"], weights=counted.sum(axis=0)))


def _least(given: np.ndarray, coverage: float) -> float:
    """The score that a share of `coverage` reaches, corrected; 0 where rows are too few."""
    rank = _rank(len(given), coverage)
    if rank > len(given):
        return 0.0
    return max(0.0, float(np.sort(given)[len(given) - rank]) - _SLACK)


def _half_width(apart: np.ndarray, coverage: float) -> float:
    rank = _rank(len(apart), coverage)
    if rank > len(apart):
        needed = math.ceil(Fraction(str(coverage)) / (1 - Fraction(str(coverage))))
        raise DecisionError(
            f"{len(apart):,} val rows are too few for intervals of coverage {coverage:g}",
            expected=f"{needed:,} or more",
            remedy="declare a smaller decision.conformal.coverage, or a split with more val rows",
            rows=len(apart),
        )
    return float(np.sort(apart)[rank - 1])


def _rank(rows: int, coverage: float) -> int:
    """ceil((n + 1) coverage) of the number that was declared, not of its nearest float."""
    return math.ceil((rows + 1) * Fraction(str(coverage)))


def _covered(conformal: Conformal, rows: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is held, and what counts: each (n, 1), or (n, labels); and each row's size, (n,)."""
    labels, scores, count = rows.labels, rows.scores, np.arange(len(rows.labels))
    match rows.task:
        case "regression":
            low, high = conformal.ends(scores)
            held, sizes = (low <= labels) & (labels <= high), high - low
        case "multilabel":
            inside, there = conformal.labels(scores), labels == 1
            return inside & there, there, inside.sum(axis=1)
        case _:
            inside = conformal.members(of_both(scores) if rows.task == "binary" else scores)
            held, sizes = inside[count, labels], inside.sum(axis=1)
    return held[:, None], np.ones((len(held), 1)), sizes


def _each(decision: Decision, covered: np.ndarray, counted: np.ndarray) -> list[dict[str, Any]]:
    sums = zip(decision.classes, covered.sum(axis=0), counted.sum(axis=0), strict=True)
    return [
        {"label": name, "rows": int(rows), "coverage": float(held / rows) if rows else None}
        for name, held, rows in sums
    ]
