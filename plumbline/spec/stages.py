"""Options of the stages after the split."""

from typing import Literal

from pydantic import Field

from plumbline.spec.options import Fraction, Identifier, Options, QualifiedName, Scalar


class NormalizationSpec(Options):
    """How features are put on one scale, by statistics of the training rows only."""

    method: Literal["standard", "min_max", "robust", "quantile", "none"] = "standard"
    """standard: (x - mean) / std. min_max: (x - min) / (max - min). robust: (x - median) /
    (q75 - q25). quantile: the normal quantile of the empirical distribution. none: as they are,
    which the audit refuses for values above 10."""

    max_categories: int = Field(default=1000, ge=1, le=100_000)
    """Vocabulary size per category feature; rarer values share the unknown slot (count)."""


class TrainingFeaturesSpec(Options):
    """The rows that models are trained on and chosen by, written back to PostgreSQL."""

    table: QualifiedName
    """schema.table; made if it is not there. Of your own schemas the only table that is
    written."""


class BaselinesSpec(Options):
    """The untuned trees that a network has to beat."""

    seed: int = Field(default=0, ge=0)
    """Random state of both baselines."""

    confidence: Fraction = 0.95
    """Coverage of the validation intervals that the gate reads."""

    sufficient_score: Fraction | None = None
    """Validation AUC that is good enough: a baseline whose interval's lower end reaches it
    closes the gate, and no network is trained. Unset: the gate always opens."""


class EvaluationSpec(Options):
    """How candidates are compared, and what a network has to gain to be released."""

    confidence: Fraction = 0.95
    """Coverage of every interval."""
    minimum_gain: float = Field(default=0.002, ge=0, lt=1)
    """Test AUC that a network must add to the best baseline, with its interval's lower end."""
    resamples: int = Field(default=500, ge=100, le=100_000)
    """Bootstrap resamples behind the intervals of metrics other than AUC (count)."""
    seed: int = Field(default=0, ge=0)
    """Seeds the bootstrap."""


class ReleaseSpec(Options):
    """What becomes of the winner."""

    promote: bool = True
    """Record the winner as this pipeline's current model."""
    golden_rows: int = Field(default=64, ge=1, le=10_000)
    """Raw rows stored with their expected outputs and checked on every load (count)."""


class ScheduleSpec(Options):
    """When a new dataset version is frozen and run. Off until switched on in the UI."""

    cron: str = "0 3 * * *"
    """Five-field cron expression."""
    timezone: str = "UTC"
    """IANA name of the time zone of the cron expression."""
    version: str = "{name}_{date}"
    """Name of the new dataset version; {name} and {date} (YYYY_MM_DD) are filled in."""
    parameters: dict[Identifier, Scalar] = {}
    """Parameter values of scheduled runs; {date} (YYYY-MM-DD) is filled in."""
