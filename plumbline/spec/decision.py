"""How a model's scores become answers: calibration, threshold, conformal prediction."""

from typing import Any, Literal

from pydantic import Field, model_validator

from plumbline.spec.options import Fraction, Options
from plumbline.spec.source import SourceSpec

READ_BY = {
    "accuracy": (),
    "cost": ("false_positive", "false_negative"),
    "f_beta": ("beta",),
    "precision": ("at_least",),
    "recall": ("at_least",),
}
"""What each rule of a threshold reads."""


class ThresholdSpec(Options):
    """From which score on the answer is yes; chosen on the validation rows."""

    by: Literal["accuracy", "cost", "f_beta", "precision", "recall"] = "accuracy"
    """accuracy: most rows right. cost: least cost of the wrong ones. f_beta: greatest F-beta.
    precision: best recall at a precision of at_least. recall: best precision at a recall of
    at_least."""
    false_positive: float | None = Field(default=None, gt=0)
    """Cost of a yes that is wrong, in any unit (cost)."""
    false_negative: float | None = Field(default=None, gt=0)
    """Cost of a no that is wrong, in the same unit (cost)."""
    beta: float | None = Field(default=None, gt=0)
    """How many times as much recall counts as precision (f_beta)."""
    at_least: Fraction | None = None
    """What precision or recall has to reach (precision, recall)."""

    @model_validator(mode="after")
    def _options_are_the_rule_s(self) -> "ThresholdSpec":
        wanted = READ_BY[self.by]
        known = dict.fromkeys(name for names in READ_BY.values() for name in names)
        given = [name for name in known if getattr(self, name) is not None]
        missing = [name for name in wanted if name not in given]
        if missing:
            raise ValueError(f"by {self.by!r} needs {' and '.join(missing)}")
        surplus = [name for name in given if name not in wanted]
        if surplus:
            reads = " and ".join(wanted) or "no other option"
            raise ValueError(
                f"by {self.by!r} reads {reads}; leave {' and '.join(surplus)} out, or choose "
                "another rule"
            )
        return self


class ConformalSpec(Options):
    """Sets or intervals that hold the truth of a stated share of rows."""

    coverage: Fraction = 0.9
    """Share of rows whose set or interval is to hold the truth. For multilabel: share of the rows
    with a label whose set is to hold it, for each label."""


class DecisionSpec(Options):
    """How scores become answers; all of it is chosen on the validation rows."""

    calibration: Literal["auto", "none", "platt", "isotonic"] = "auto"
    """auto: platt or isotonic where the interval of what it gains in log-loss lies above 0, else
    none. platt is temperature scaling for multiclass. A regression's numbers stay as they are."""
    threshold: ThresholdSpec = ThresholdSpec()
    """For the binary task, and for each label of multilabel."""
    conformal: ConformalSpec | None = None
    """Leave out for answers without prediction sets or intervals."""


def undecided(decision: DecisionSpec, source: SourceSpec) -> str | None:
    """What in a declared decision does not go with the task; None where all does."""
    task = source.task
    if task == "regression" and decision.calibration in ("platt", "isotonic"):
        return (
            f"calibration {decision.calibration!r} makes probabilities, and task regression has "
            "none; leave it out"
        )
    if task in ("regression", "multiclass") and _declared(decision.threshold):
        return (
            f"a threshold is chosen for task binary and for each label of multilabel, and the "
            f"task is {task}; leave it out"
        )
    return None


def _declared(threshold: Any) -> bool:
    return threshold != ThresholdSpec()
