"""How candidates are compared on the test rows."""

from pydantic import Field

from plumbline.spec.metrics import OF_TASK, MetricName
from plumbline.spec.options import Fraction, Options
from plumbline.spec.source import SourceSpec


class EvaluationSpec(Options):
    """How candidates are compared, and what a network has to gain to be released."""

    metric: MetricName | None = None
    """What models are compared by. Unset: auc for binary and multilabel, accuracy for multiclass,
    rmse for regression."""
    minimum_gain: float | None = Field(default=None, ge=0)
    """What a network must be better by than the best baseline on the test rows, with its
    interval's lower end (in units of the metric). Unset: 0.002; of an error (log_loss, brier,
    rmse, mae) 1 % of the best baseline's on the validation rows."""
    confidence: Fraction = 0.95
    """Coverage of every interval."""
    resamples: int = Field(default=500, ge=100, le=100_000)
    """Bootstrap resamples behind the intervals (count). An AUC's of independent rows is
    DeLong's."""
    stratified: bool = False
    """Draw as many rows of each class as there are, in every resample. For binary and multiclass,
    without source.group."""
    seed: int = Field(default=0, ge=0)
    """Seeds the bootstrap."""


def unsuited(evaluation: EvaluationSpec, source: SourceSpec) -> str | None:
    """What in a declared evaluation does not go with the label; None where all does."""
    known = OF_TASK[source.task]
    if evaluation.metric not in (None, *known):
        return (
            f"metric {evaluation.metric!r} is not measured for task {source.task}; choose one of "
            f"{', '.join(known)}, or leave it out"
        )
    if not evaluation.stratified:
        return None
    if source.task not in ("binary", "multiclass"):
        return f"stratified needs classes; leave it out for task {source.task}"
    if source.group is not None:
        return (
            f"stratified draws rows of each class, and source.group {source.group!r} has whole "
            "groups drawn; leave one of them out"
        )
    return None
