"""Options of the stages after the split."""

from typing import Literal

from pydantic import Field, model_validator

from plumbline.spec.options import Fraction, Options, QualifiedName


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
    """Random state of all baselines."""

    confidence: Fraction = 0.95
    """Coverage of the validation intervals that the gate reads."""

    sufficient_score: float | None = None
    """Value of the task's main metric on the validation rows that is good enough: a baseline
    whose interval lies wholly on its good side closes the gate, and no network is trained.
    Unset: no baseline is good enough."""

    early_stopping: bool = False
    """Train XGBoost once more, stopped by the validation rows, and show it beside the untuned
    one. It is never a candidate."""

    forest_gib: float = Field(default=4.0, gt=0)
    """Memory that the nodes of the random forest may take (GiB). Where they could take more,
    each tree is grown on fewer rows."""


class GateSpec(Options):
    """What else keeps a network from being trained, and who says otherwise."""

    network: Literal["always", "auto", "never"] = "auto"
    """auto: as the rules say. always and never override them, with reason and author."""
    reason: str = ""
    """Why the rules are overridden."""
    author: str = ""
    """Who overrides them: a name or an e-mail address."""
    min_rows_for_network: int | None = Field(default=None, ge=1)
    """Fewer training rows than this close the gate (count). Unset: no number is too small."""
    explanations_required: bool = False
    """Whether every prediction has to be explained exactly: only trees are, so the gate closes."""
    max_network_cost: float | None = Field(default=None, gt=0)
    """A longer estimated training closes the gate (seconds). Unset: any may be trained."""

    @model_validator(mode="after")
    def _overrides_are_signed(self) -> "GateSpec":
        missing = [name for name in ("reason", "author") if not getattr(self, name).strip()]
        if self.network != "auto" and missing:
            raise ValueError(
                f"network is {self.network!r} without {' and '.join(missing)}; say both"
            )
        if self.network == "auto" and len(missing) < 2:
            raise ValueError(
                "reason and author are for network 'always' or 'never', and it is 'auto'; leave "
                "them out"
            )
        return self


class ReleaseSpec(Options):
    """What becomes of the winner."""

    promote: bool = True
    """Record the winner as this pipeline's current model."""
    golden_rows: int = Field(default=64, ge=1, le=10_000)
    """Raw rows stored with their expected outputs and checked on every load (count)."""
