import io

import numpy as np
import pytest
from PIL import Image

from plumbline.evaluation import figures
from plumbline.evaluation.figures.confusion import _counts, confusion
from plumbline.evaluation.figures.label_areas import label_areas
from plumbline.evaluation.figures.numbers import predicted, residuals
from plumbline.evaluation.figures.slices import forest, seeds
from plumbline.metrics.reliability import Reliability

KINDS = ("random_forest", "xgboost", "network")
MEASURED = {
    kind: {name: {"value": 0.7, "low": 0.68, "high": 0.72} for name in ("auc", "average_precision")}
    for kind in KINDS
}
CANDIDATES = {kind: {"val": MEASURED[kind], "test": MEASURED[kind]} for kind in KINDS}
COMPARISON = {
    "network": "network",
    "baseline": "xgboost",
    "metric": "auc",
    "minimum_gain": 0.002,
    "confidence": 0.95,
    "difference": {"value": 0.01, "low": 0.004, "high": 0.016},
}
CERTIFICATE = {
    "sides": {
        name: {
            "rows": rows,
            "share": rows / 1000,
            "positives": rows // 5,
            "label_rate": {"value": 0.2, "low": 0.18, "high": 0.22},
        }
        for name, rows in (("train", 700), ("val", 150), ("test", 150))
    },
    "excluded": {"rows": 0, "share": 0.0, "reasons": {}},
}
EXCLUDED = {"rows": 90, "share": 0.08, "reasons": {"duplicate": {"val": 40, "test": 50}}}


def certified(count=9):
    """A certificate of `count` classes."""
    rates = {"value": 1 / count, "low": 0.1, "high": 0.2}
    classes = {
        f"class $_{one} {'long ' * one}": {"rows": 100 * (one + 1), "rate": rates}
        for one in range(count)
    }
    rows = sum(one["rows"] for one in classes.values())
    side = {"rows": rows, "share": 1 / 3, "classes": classes}
    return {"sides": dict.fromkeys(("train", "val", "test"), side), "excluded": EXCLUDED}


def several(count=8):
    """A certificate of `count` labels that rows have beside each other."""
    labels = {
        f"label $_{one} {'long ' * one}": {"rows": 90 // (one + 1), "rate": None}
        for one in range(count)
    }
    side = {"rows": 100, "share": 1 / 3, "labels": labels}
    return {"sides": dict.fromkeys(("train", "val", "test"), side), "excluded": EXCLUDED}


def averaged(mean):
    side = {"rows": 70, "share": 1 / 3, "mean": mean, "std": 2.5, "min": 0.0, "max": 9.0}
    return {"sides": dict.fromkeys(("train", "val", "test"), side), "excluded": EXCLUDED}


HISTORY = {"loss": [0.7, 0.6, 0.55], "val_loss": [0.69, 0.66, 0.67], "val_auc": [0.6, 0.62, 0.61]}


def of_classes(count, n=2000):
    random = np.random.default_rng(0)
    labels = random.integers(0, count, n) ** 2 // count
    scores = random.random((n, count)) + np.eye(count)[labels]
    return labels, scores, [f"class $_{one} {'long ' * one}" for one in range(count)]


def of_labels(count, n=2000):
    random = np.random.default_rng(0)
    scores = {kind: random.random((n, count)) for kind in KINDS}
    labels = (random.random((n, count)) < scores["network"]).astype(np.int8)
    labels[:, 0] = 0
    return labels, scores, [f"label $_{one}" for one in range(count)]


def numbers(n=2000):
    random = np.random.default_rng(0)
    labels = random.lognormal(3, 1, n)
    return labels, {kind: labels * random.lognormal(0, 0.3, n) for kind in KINDS}


def rows(n=4000, rate=0.3, kinds=KINDS):
    random = np.random.default_rng(0)
    labels = (random.random(n) < rate).astype(np.int8)
    labels[:2] = 0, 1
    scores = {kind: np.clip(rate * (0.5 + random.random(n) + labels), 0, 1) for kind in kinds}
    return labels, scores


def sliced(count=12):
    """Gains on slices, of which the third blocks and every fourth was found."""
    ends = np.random.default_rng(0).normal(0, 0.01, count)
    return {
        "measured": [
            {
                "slice": f"$_{at} = {'long ' * at}",
                "rows": 300 + at,
                "declared": at % 4 > 0,
                "blocks": at == 2,
                "difference": {"value": value, "low": value - 0.01, "high": value + 0.02},
            }
            for at, value in enumerate(ends)
        ]
    }


def seeded(count):
    networks = [
        {"seed": at, "val": 0.8 + at / 500, "test": 0.79 + at / 700, "released": at == 0}
        for at in range(count)
    ]
    return {"networks": networks, "std": 0.0012}


DRAWN = {
    "slices": lambda: forest(sliced(), COMPARISON, 0.95),
    "slices of one": lambda: forest(sliced(1), COMPARISON, 0.95),
    "slices of many": lambda: forest(sliced(60), {**COMPARISON, "metric": "rmse"}, 0.95),
    "seeds": lambda: seeds(seeded(3), COMPARISON),
    "seeds, all of them": lambda: seeds(seeded(20), COMPARISON),
    "roc": lambda: figures.roc(*rows(), MEASURED, 0.95),
    "precision_recall": lambda: figures.precision_recall(*rows(), MEASURED, 0.95),
    "calibration": lambda: figures.calibration(*rows()),
    "calibration of rare positives": lambda: figures.calibration(*rows(rate=0.004)),
    "calibration of two rows": lambda: figures.calibration(*rows(2)),
    "roc of two rows": lambda: figures.roc(*rows(2), MEASURED, 0.9),
    "intervals": lambda: figures.intervals(CANDIDATES, COMPARISON, 0.95),
    "intervals without a network": lambda: figures.intervals(
        {"xgboost": CANDIDATES["xgboost"]}, {**COMPARISON, "difference": None}, 0.95
    ),
    "intervals of an error": lambda: figures.intervals(
        {
            kind: {side: {"rmse": MEASURED[kind]["auc"]} for side in ("val", "test")}
            for kind in KINDS
        },
        {**COMPARISON, "metric": "rmse"},
        0.95,
    ),
    "confusion": lambda: confusion(*of_classes(5), "network"),
    "confusion of many": lambda: confusion(*of_classes(40), "xgboost"),
    "label_areas": lambda: label_areas(*of_labels(6)),
    "label_areas of many": lambda: label_areas(*of_labels(40)),
    "predicted": lambda: predicted(numbers()[0], numbers()[1]["network"], "network"),
    "predicted, one number": lambda: predicted(np.ones(9), np.ones(9), "xgboost"),
    "residuals": lambda: residuals(*numbers()),
    "residuals of none": lambda: residuals(np.ones(9), {"network": np.ones(9)}),
    "learning_curves": lambda: figures.learning_curves(HISTORY, 2),
    "learning_curves of one epoch": lambda: figures.learning_curves(
        {"loss": [0.7], "val_loss": [0.6]}, 1
    ),
    "range_test": lambda: figures.range_test(
        [1e-7, 1e-5, 1e-3, 0.1, 10], [0.7, 0.69, 0.5, 0.4, 1.5], 1e-3, 2e-3
    ),
    "range_test without a suggestion": lambda: figures.range_test([1e-7, 1e-6], [0.7, 0.8]),
    "learning_curves of another metric": lambda: figures.learning_curves(
        {**HISTORY, "val_average_precision": [0.5, 0.6, 0.55]}, 2, "average_precision"
    ),
    "learning_curves of an unmeasured metric": lambda: figures.learning_curves(HISTORY, 2, "r2"),
    "importances": lambda: figures.importances(_shares(40)),
    "importances of one": lambda: figures.importances(_shares(1)),
    "importances by three measures": lambda: figures.importances(_measures(40)),
    "importances by permutation": lambda: figures.importances(
        [{"feature": "x", "importance": 1.0, "permutation": -0.1, "shap": None}]
    ),
    "importances of none": lambda: figures.importances([{"feature": "x", "importance": 0.0}]),
    "split_bars": lambda: figures.split_bars(CERTIFICATE),
    "split_bars with exclusions": lambda: figures.split_bars({**CERTIFICATE, "excluded": EXCLUDED}),
    "split_bars of classes": lambda: figures.split_bars(certified()),
    "split_bars of three classes": lambda: figures.split_bars(certified(3)),
    "split_bars of several labels": lambda: figures.split_bars(several()),
    "split_bars of two labels": lambda: figures.split_bars(several(2)),
    "split_bars of a regression": lambda: figures.split_bars(
        averaged({"value": 4.0, "low": 3.4, "high": 4.6})
    ),
    "split_bars of one row": lambda: figures.split_bars(
        averaged({"value": 4.0, "low": None, "high": None})
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_fits_a_panel_and_comes_out_the_same_again(name):
    png = DRAWN[name]()
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.width) == ("PNG", 704)
    assert 100 < picture.height < 700
    assert len(png) < 60_000
    assert png == DRAWN[name]()
    # Something is drawn: neither blank nor one flat colour.
    greys = np.asarray(picture.convert("L"))
    assert 0.005 < (greys < 200).mean() < 0.6


def test_nothing_is_drawn_where_nothing_is_compared():
    without = {"measured": [{**one, "difference": None} for one in sliced()["measured"]]}
    assert forest(without, COMPARISON, 0.95) is None
    assert seeds(seeded(1), COMPARISON) is None


def test_constant_scores_can_be_drawn():
    labels, _ = rows()
    scores = {"xgboost": np.full(len(labels), 0.3)}
    assert figures.calibration(labels, scores)
    assert figures.roc(labels, scores, MEASURED, 0.95)
    assert figures.precision_recall(labels, scores, MEASURED, 0.95)


def test_a_curve_of_the_better_scores_lies_higher():
    from plumbline.evaluation.figures.ranking import _rates, _thinned

    labels, scores = rows()
    false, true = _rates(labels, scores["network"])
    area = np.trapezoid(true, false)
    thin_false, thin_true = _thinned(false, true)
    assert len(thin_false) <= 600
    assert (thin_false[0], thin_true[0], thin_false[-1], thin_true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(thin_true, thin_false) == pytest.approx(area, abs=1e-3)


def test_reliability_counts_every_row_once():
    labels = np.array([0, 1] * 50)
    scores = np.repeat([0.2, 0.6], 50)
    bins = Reliability(scores, labels).bins()
    assert [one["predicted"] for one in bins] == pytest.approx([0.2, 0.6])
    assert [one["observed"] for one in bins] == pytest.approx([0.5, 0.5])
    assert [one["rows"] for one in bins] == [50, 50]


@pytest.mark.parametrize("count", [3, 13, 40])
def test_a_confusion_counts_every_row_once(count):
    labels, scores, names = of_classes(count)
    counts, shown = _counts(labels, scores.argmax(axis=1), names)
    assert counts.sum() == len(labels)
    assert len(counts) == len(shown) == min(count, 13)
    frequent = np.bincount(labels).argmax()
    assert counts[0].sum() == (labels == frequent).sum()
    assert counts[0, 0] == ((labels == frequent) & (scores.argmax(axis=1) == frequent)).sum()


def test_column_names_are_no_formulas():
    assert figures.importances([{"feature": r"cost $_{\x$", "importance": 1.0}])


def _measures(count):
    return [
        {**one, "permutation": None if i % 7 == 3 else (count - i) / 9 - 1, "shap": i % 5}
        for i, one in enumerate(_shares(count))
    ]


def _shares(count):
    return [{"feature": f"feature {i}", "importance": 1 / count} for i in range(count)]
