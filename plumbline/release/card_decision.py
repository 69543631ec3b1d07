"""The model card's paragraphs on answers: calibration, threshold, conformal prediction."""

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.release.manifest import Manifest
from plumbline.release.markdown import code, names, table

Facts = Mapping[str, Any]


def answers(manifest: Manifest) -> dict[str, str]:
    """What each column says that is answered of a row."""
    predicted = {
        "binary": f"1 where `score` is at least {manifest.threshold!r}, else 0",
        "multiclass": "the class with the greatest probability",
        "multilabel": "the labels whose probability is at least their threshold",
        "regression": f"{code(manifest.label)}, in the unit of its column",
    }
    return {
        "score": "the probability of label 1, as calibrated",
        "scores": f"the probability of each, as calibrated: {names(manifest.classes)}",
        "predicted": predicted[manifest.task],
        "prediction_set": "what the row may be, at the stated coverage",
        "low": "the lower end of the interval, at the stated coverage",
        "high": "its upper end",
    }


def decided(winner: Facts) -> Iterator[str]:
    """How the winner's scores become answers, and how that did on the test rows."""
    yield from _calibration(winner.get("calibration"))
    yield from _thresholds(winner.get("choice"))
    yield from _conformal(winner.get("conformal"))


def _calibration(found: Facts | None) -> Iterator[str]:
    if not found:
        return
    yield f"Calibration: {found['method'] or 'none'}; {found['reason']}."
    before, after = found["test"]["before"], found["test"]["after"]
    if before:
        rows = [("as the model says", _ece(before)), ("as released", _ece(after or before))]
        yield table(("Test scores", "Expected calibration error", "By chance"), _flat(rows))


def _flat(rows: list[tuple[str, tuple[str, str]]]) -> list[tuple[str, ...]]:
    return [(name, *values) for name, values in rows]


def _ece(reliability: Facts) -> tuple[str, str]:
    ece = reliability["ece"]
    return interval(ece), f"{ece['by_chance']:.4f}"


def _thresholds(found: Facts | None) -> Iterator[str]:
    if not found:
        return
    rule = ", ".join(f"{name} {value}" for name, value in found["rule"].items())
    yield f"Thresholds of calibrated scores, chosen on the validation rows ({rule}):"
    rows = [
        (
            code(one["label"]) if one["label"] else "1",
            f"{one['threshold']!r}" if one["met"] else "none: the rule cannot be met",
            *(f"{one[name]:.4f}" for name in ("precision", "recall")),
        )
        for one in found["chosen"]
    ]
    yield table(("Label", "Threshold", "Precision on val", "Recall on val"), rows)


def _conformal(found: Facts | None) -> Iterator[str]:
    if not found:
        return
    on_test = found["test"]
    yield (
        f"Sets or intervals are to hold the truth of {100 * found['nominal']:g} % of rows. Of the "
        f"test rows they hold {interval(on_test['coverage'])}; their size is "
        f"{interval(on_test['size'])} in the mean."
    )


def interval(measured: Mapping[str, float] | None) -> str:
    """An estimate with the ends of its interval."""
    if measured is None:
        return "not defined"
    return "{value:.4f} ({low:.4f} to {high:.4f})".format(**measured)
