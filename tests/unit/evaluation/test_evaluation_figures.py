import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from plumbline.evaluation import figures
from plumbline.evaluation.figures.bands import GRID, Ladder, band
from plumbline.evaluation.figures.confusion import _counts, confusion
from plumbline.evaluation.figures.label_areas import label_answers, label_areas
from plumbline.evaluation.figures.numbers import predicted, residuals
from plumbline.evaluation.figures.ranking import _rates, _thinned
from plumbline.evaluation.figures.slices import forest, seeds
from plumbline.evaluation.figures.style import figure, short
from plumbline.metrics.reliability import Reliability
from plumbline.normalization.parameters import NumericFeature

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


def answered(count):
    labels, scores, names = of_classes(count)
    return labels, scores.argmax(axis=1), names


def given(count):
    labels, scores, names = of_labels(count)
    return labels, (scores["network"] > 0.5).astype(np.int8), names


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


ROWS_MOVED = {"added": 1200, "removed": 0, "changed": 31, "unchanged": 40_000}
HOSTILE = ("$_{x$", "北京 🛫 \x07 name", "<b>&amp;", "long " * 40, "", "A\nB")


def moved(count):
    """Columns of which one has lost its values, and one does not compare."""
    found = [
        {
            "column": f"{HOSTILE[at % len(HOSTILE)]}{at}",
            "measure": "ks",
            "distance": at / count,
            "nulls_before": 0.1,
            "nulls_after": 0.1 + at / (2 * count),
            "size": ("none", "small", "medium", "large")[4 * at // count],
        }
        for at in range(count)
    ]
    found[1] |= {"distance": None, "nulls_after": 1.0}
    found[2] |= {"measure": None, "distance": None}
    return found


def scaled(count):
    """Features of which the first is constant and the second has an outlier far out."""
    sizes = [0.0, 1e280, *range(1, count)]
    return [
        NumericFeature(
            name=f"{HOSTILE[at % len(HOSTILE)]}{at}",
            count=count,
            mean=1.0,
            std=min(size, 1.0),
            min=1.0 - min(size, 3.0),
            max=1.0 + size,
            center=1.0,
            scale=1.0 if at else 1e-300,
            fill=1.0,
            quantiles=(),
        )
        for at, size in enumerate(sizes[:count])
    ]


def gated(bound):
    measured = {"value": 0.7, "low": 0.68, "high": 0.72, "rows": 9}
    return {
        "metric": "auc",
        "confidence": 0.95,
        "rules": [{"rule": "sufficient_score", "declared": bound}],
        "candidates": {"random_forest": measured, "xgboost": measured},
    }


REPORT = {
    "policy": "temporal",
    "metric": "auc",
    "confidence": 0.95,
    "declared": {"value": 0.67, "low": 0.66, "high": 0.68},
    "random": {"value": 0.78, "low": 0.77, "high": 0.79},
}
CERTIFIED = {
    "task": "binary",
    "groups": {"column": "$customer 客", "count": 90, "straddling": 0},
    "duplicates": {"mode": "exact", "columns": 3, "straddling": {"val": 0, "test": 2}},
    "time": {
        "ranges": {
            side: {"first": f"2026-0{month}-01T00:00:00Z", "last": f"2026-0{month}-28T00:00:00Z"}
            for month, side in enumerate(("train", "val", "test"), 1)
        }
    },
}

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
    "confusion": lambda: confusion(*answered(5), "network"),
    "confusion of many": lambda: confusion(*answered(40), "xgboost"),
    "confusion of two": lambda: confusion(*answered(2), "xgboost", ", positive from 0.5 on"),
    "class_areas": lambda: label_areas(
        np.eye(3, dtype=np.int8)[of_classes(3)[0]], {"xgboost": of_classes(3)[1]}, "abc", "class"
    ),
    "label_answers": lambda: label_answers(*given(6), "network"),
    "label_answers of many": lambda: label_answers(*given(40), "network"),
    "drift": lambda: figures.drift(moved(12), ROWS_MOVED, ("v1", "v2")),
    "drift of many": lambda: figures.drift(moved(300), ROWS_MOVED, ("v" * 90, "北京 $x$")),
    "scaled_features": lambda: figures.scaled_features(scaled(9), 1000, "standard"),
    "scaled_features of many": lambda: figures.scaled_features(scaled(300), 1000, "robust"),
    "gate": lambda: figures.gate(gated(None)),
    "gate with a bound": lambda: figures.gate(gated(0.71)),
    "optimism": lambda: figures.optimism(REPORT),
    "optimism, nothing trained": lambda: figures.optimism({**REPORT, "random": None}),
    "importances of names": lambda: figures.importances(_named()),
    "split_bars with a certificate": lambda: figures.split_bars({**CERTIFICATE, **CERTIFIED}),
    "learning_curves that blow up": lambda: figures.learning_curves(
        {"loss": [1.0, float("nan"), float("inf")], "val_loss": [0.6, float("nan"), 1e300]}, 1
    ),
    "roc in groups": lambda: figures.roc(*rows(), MEASURED, 0.95, bands=False),
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
    assert 100 < picture.height < 720
    assert len(png) < 60_000
    if " " not in name:
        assert png == DRAWN[name]()
    # Something is drawn: neither blank nor one flat colour.
    greys = np.asarray(picture.convert("L"))
    assert 0.005 < (greys < 200).mean() < 0.6


def test_nothing_is_drawn_where_nothing_is_compared():
    assert figures.drift([], ROWS_MOVED, ("v1", "v2")) is None
    assert figures.drift([{**moved(3)[2]}], ROWS_MOVED, ("v1", "v2")) is None
    assert figures.scaled_features([], 9, "standard") is None
    assert figures.scaled_features(scaled(3), 9, "quantile") is None
    assert label_areas(*of_labels(1)) is None
    assert label_answers(*given(1), "network") is None
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


def _named():
    return [{"feature": name, "importance": 1 / len(HOSTILE)} for name in HOSTILE]


def _measures(count):
    return [
        {**one, "permutation": None if i % 7 == 3 else (count - i) / 9 - 1, "shap": i % 5}
        for i, one in enumerate(_shares(count))
    ]


def _shares(count):
    return [{"feature": f"feature {i}", "importance": 1 / count} for i in range(count)]


def ranked(random, n):
    """Labels and scores whose true ROC is 1 - (1 - x)^2."""
    labels = (random.random(n) < 0.5).astype(np.int8)
    return labels, np.where(labels == 1, random.random(n) ** 0.5, random.random(n))


def test_bands_hold_their_curve_and_narrow_with_more_rows():
    widths = []
    for n in (300, 30_000):
        labels, scores = ranked(np.random.default_rng(0), n)
        low, high = band(Ladder.of(labels, scores), "roc", 0.95)
        false, true = _rates(labels, scores)
        inside = np.interp(GRID, false, true)
        assert ((low <= inside + 0.02) & (inside - 0.02 <= high)).all()
        widths.append((high - low).mean())
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.4)


def test_a_band_has_the_coverage_it_states():
    random, held = np.random.default_rng(0), 0
    for _ in range(60):
        low, high = band(Ladder.of(*ranked(random, 400)), "roc", 0.9)
        held += bool(low[30] <= 1 - 0.7**2 <= high[30])
    assert 46 <= held <= 60


def test_a_ladder_counts_every_row_once():
    labels, scores = rows(5000)
    ladder = Ladder.of(labels, scores["network"])
    assert len(ladder.positives) == 256
    assert (ladder.positives.sum(), ladder.others.sum()) == (labels.sum(), (labels == 0).sum())
    low = Ladder.of(np.array([1, 0, 0]), np.array([0.9, 0.9, 0.1]))
    assert (low.positives.tolist(), low.others.tolist()) == ([1, 0], [1, 1])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_written_in_letters_that_the_font_has(name):
    written = short(name, 20)
    assert len(written.replace(r"\$", "$")) <= 20
    assert written.isprintable()
    assert "北" not in written


def test_a_header_is_broken_into_lines_and_makes_the_figure_higher():
    plain, long = figure(2, "title"), figure(2, "title " * 20, "note " * 60)
    assert long.get_figheight() > plain.get_figheight() + 0.6
    assert all(len(text.get_text()) <= 102 for text in long.texts)
    assert len(long.texts) == 2 + 3


def histogram(**options):
    sides = {"train": (3, 1), "val": (0, 1), "test": (0, 0)}
    return {
        **{"names": (), "low": 0.0, "high": 2.0, "last": 2.0, "by_side": sides},
        **{"by_label": {"0": (3, 1)}, "beyond": 0},
        **options,
    }


def column(name, **options):
    return {
        **{"name": name, "role": "feature", "rows": 10, "nulls": 0, "numbers": None},
        **{"skill": None, "histogram": histogram()},
        **options,
    }


def test_histograms_are_one_sound_picture_of_the_most_telling_features():
    columns = [column(f"{HOSTILE[at % len(HOSTILE)]}{at}") for at in range(300)]
    columns[7] |= {"name": "found", "nulls": 3}
    columns[9] |= {"name": "telling", "skill": {"z": 4.0}, "histogram": histogram(beyond=2)}
    columns[11] |= {"histogram": histogram(names=("北京", "<b>"), low=None, high=None, last=None)}
    root = ET.fromstring(figures.histograms([*columns, column("key", role="key")], {"found"}, 10))
    texts = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "24 of 300 features by side of the split, in 10 rows"
    names = [one.text for one in root.iter() if one.get("class") == "name"]
    assert (len(names), names[:2]) == (24, ["found", "telling"])
    assert {"30.0% missing", "2 further out", "train", "val", "test", "<b>"} <= set(texts)
    assert max(len(name or "") for name in names) <= 26
    assert figures.histograms([column("key", role="key")], set(), 10) is None
    assert figures.histograms([column("x", histogram=None)], set(), 10) is None
