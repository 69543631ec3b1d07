"""Everything a user declares about a pipeline: `defs.yaml` is one `PipelineSpec`.

Every option has a default where one is honest, a unit and a description. Options that
change a number are part of the fingerprint of the stage that reads them; descriptions,
owners and schedules are part of none.
"""

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from plumbline.spec_errors import explain


class Options(BaseModel):
    """A block of options: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _identifier(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise ValueError(
            f"{value!r} is not a name: use lower-case letters, digits and underscores, "
            "starting with a letter, at most 63"
        )
    return value


def _fraction(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{value} is not a fraction: give a number between 0 and 1, both excluded")
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]
Fraction = Annotated[float, AfterValidator(_fraction)]
Scalar = str | int | float | bool | None
FeatureKind = Literal["numeric", "category", "ignore"]


class SourceSpec(Options):
    """What is asked of PostgreSQL, and what its columns mean."""

    sql: str
    """The extract's SQL file, relative to the project's root. One SELECT, no ORDER BY."""

    parameters: dict[Identifier, Scalar] = {}
    """Values for the `:name` parameters of the SQL; `--param name=value` replaces one."""

    key: list[str] = Field(min_length=1)
    """Columns that identify a row. Proved unique and not NULL; the extract is ordered by them."""

    label: str
    """The column to predict."""

    positive_label: Scalar = None
    """The label's value that counts as 1. Needed unless the label is boolean or 0/1."""

    task: Literal["binary"] = "binary"
    """What kind of prediction. Multiclass, multilabel and regression are not built yet."""

    timestamp: str | None = None
    """When the row's event happened. Needed by the temporal split; never a feature."""

    group: str | None = None
    """Rows that share this value stay on one side of a `hash` split; never a feature."""

    drop: list[str] = []
    """Columns that are kept in the snapshot but are not features."""

    kinds: dict[str, FeatureKind] = {}
    """How to read a feature where its type would mislead: a month number as a category, say.
    A key column is a feature only where it is named here."""

    on_schema_change: Literal["error", "warn"] = "error"
    """What to do when a column vanished or changed its type since the previous dataset version."""

    @model_validator(mode="after")
    def _roles_do_not_overlap(self) -> "SourceSpec":
        if self.label in self.key:
            raise ValueError(f"label {self.label!r} is also a key column; a label cannot identify")
        if self.label in self.kinds:
            raise ValueError(f"{self.label!r} is the label and cannot be under kinds")
        if self.label in self.drop:
            raise ValueError(f"{self.label!r} is the label and cannot be under drop")
        both = sorted(set(self.drop) & self.kinds.keys())
        if both:
            raise ValueError(f"{', '.join(both)} under both drop and kinds; keep one of them")
        return self


class HashSplit(Options):
    """By a keyed hash of the row's key, or of its group: new rows never move old ones."""

    policy: Literal["hash"] = "hash"
    val: Fraction = 0.15
    """Expected share of validation rows."""
    test: Fraction = 0.15
    """Expected share of test rows."""
    seed: int = 0
    """Keys the hash: another seed draws another split."""

    @field_validator("test")
    @classmethod
    def _leaves_train(cls, test: float, info: ValidationInfo) -> float:
        return _leaves_train(test, info)


class StratifiedSplit(Options):
    """By rank of the key's hash within each label: shares per label exact to one row."""

    policy: Literal["stratified"]
    val: Fraction = 0.15
    """Share of validation rows of each label."""
    test: Fraction = 0.15
    """Share of test rows of each label."""
    seed: int = 0
    """Keys the hash: another seed draws another split."""

    @field_validator("test")
    @classmethod
    def _leaves_train(cls, test: float, info: ValidationInfo) -> float:
        return _leaves_train(test, info)


class TemporalSplit(Options):
    """By time: train before `val_from`, validate up to `test_from`, test after."""

    policy: Literal["temporal"]
    val_from: dt.date | dt.datetime
    """First moment of the validation rows (UTC)."""
    test_from: dt.date | dt.datetime
    """First moment of the test rows (UTC)."""

    @field_validator("test_from")
    @classmethod
    def _after_val(cls, test_from: dt.date, info: ValidationInfo) -> dt.date:
        val_from = info.data.get("val_from")
        if val_from is not None and utc(test_from) <= utc(val_from):
            raise ValueError(f"test_from {test_from} is not after val_from {val_from}")
        return test_from


class ColumnSplit(Options):
    """By a column of the query that says train, val or test for each row."""

    policy: Literal["column"]
    column: str
    """Holds exactly the values train, val and test."""


SplitSpec = Annotated[
    HashSplit | StratifiedSplit | TemporalSplit | ColumnSplit, Field(discriminator="policy")
]


class NormalizationSpec(Options):
    """How features are put on one scale, by statistics of the training rows only."""

    method: Literal["standard", "min_max", "robust", "quantile"] = "standard"
    """standard: (x - mean) / std. min_max: (x - min) / (max - min). robust: (x - median) /
    (q75 - q25). quantile: the normal quantile of the empirical distribution."""

    max_categories: int = Field(default=1000, ge=1, le=100_000)
    """Vocabulary size per category feature; rarer values share the unknown slot (count)."""


class BaselinesSpec(Options):
    """The untuned trees that a network has to beat."""

    seed: int = Field(default=0, ge=0)
    """Random state of both baselines."""

    confidence: Fraction = 0.95
    """Coverage of the validation intervals that the gate reads."""

    sufficient_score: Fraction | None = None
    """Validation AUC that is good enough: a baseline whose interval's lower end reaches it
    closes the gate, and no network is trained. Unset: the gate always opens."""


class NetworkSpec(Options):
    """The Keras network and its training."""

    architecture: Literal["dense"] = "dense"
    """dense: fully connected layers with batch normalization and dropout."""
    widths: list[Annotated[int, Field(ge=1)]] = Field(default=[256, 128], min_length=1)
    """Units of each hidden layer."""
    dropout: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=[0.3, 0.2], validate_default=True
    )
    """Dropout rate after each hidden layer."""
    l2: float = Field(default=1e-4, ge=0)
    """L2 penalty on the hidden kernels."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Adam's initial step size."""
    batch_size: int = Field(default=256, ge=1)
    """Rows per step."""
    max_epochs: int = Field(default=60, ge=1)
    """Upper bound on passes over the training rows."""
    patience: int = Field(default=6, ge=1)
    """Epochs without a better validation loss before training stops."""
    seed: int = Field(default=0, ge=0)
    """Seeds initial weights, dropout and shuffling."""

    @field_validator("dropout")
    @classmethod
    def _one_rate_per_layer(cls, dropout: list[float], info: ValidationInfo) -> list[float]:
        widths = info.data.get("widths")
        if widths is not None and len(dropout) != len(widths):
            raise ValueError(
                f"{len(dropout)} dropout rates for {len(widths)} widths; give one rate per layer"
            )
        return dropout


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


class PipelineSpec(Options):
    """One pipeline: a labelled SQL query and how to turn it into a model."""

    name: Identifier
    """Prefix of the pipeline's assets, job and partitions."""
    description: str = ""
    """What is predicted, for whom and why; shown in the UI and in the model card."""
    owners: list[str] = []
    """E-mail addresses or `team:name`, shown in the UI."""
    source: SourceSpec
    split: SplitSpec = HashSplit()
    normalization: NormalizationSpec = NormalizationSpec()
    baselines: BaselinesSpec = BaselinesSpec()
    network: NetworkSpec = NetworkSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    release: ReleaseSpec = ReleaseSpec()
    schedule: ScheduleSpec | None = None
    """Leave out for no schedule."""

    @field_validator("split")
    @classmethod
    def _split_agrees_with_source(cls, split: Any, info: ValidationInfo) -> Any:
        source: SourceSpec | None = info.data.get("source")
        if source is None:
            return split
        if isinstance(split, TemporalSplit) and source.timestamp is None:
            raise ValueError(
                "policy 'temporal' needs source.timestamp: name the column that says when "
                "each row happened, or choose policy 'hash', 'stratified' or 'column'"
            )
        if not isinstance(split, HashSplit) and source.group is not None:
            raise ValueError(
                f"policy {split.policy!r} does not keep groups together, but source.group is "
                f"{source.group!r}: choose policy 'hash', or remove source.group"
            )
        return split

    @model_validator(mode="wrap")
    @classmethod
    def _explained(cls, value: Any, handler: ModelWrapValidatorHandler["PipelineSpec"]):
        try:
            return handler(value)
        except ValidationError as error:
            raise explain(error, cls) from None


def utc(moment: dt.date) -> dt.datetime:
    """A date or datetime as an aware datetime; midnight and UTC where it does not say."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _leaves_train(test: float, info: ValidationInfo) -> float:
    val = info.data.get("val", 0.0)
    if val + test >= 1:
        raise ValueError(f"val {val} + test {test} leaves no training rows; their sum must be < 1")
    return test
