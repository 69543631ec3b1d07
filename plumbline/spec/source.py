"""What is asked of PostgreSQL, and what its columns mean."""

from typing import Literal

from pydantic import Field, model_validator

from plumbline.spec.options import Identifier, Options, Scalar

FeatureKind = Literal["numeric", "category", "image", "ignore"]
Task = Literal["binary", "multiclass", "regression"]


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

    task: Task = "binary"
    """What kind of prediction. Models are built for binary; the data of the others is frozen,
    audited, split and normalized."""

    classes: list[Scalar] = []
    """The label's values, all of them; another one is refused. Empty: those that occur."""

    timestamp: str | None = None
    """When the row's event happened. Needed by the temporal split; never a feature."""

    group: str | None = None
    """Rows that share this value stay on one side of the split; never a feature."""

    drop: list[str] = []
    """Columns that are kept in the snapshot but are not features."""

    kinds: dict[str, FeatureKind] = {}
    """How to read a feature where its type would mislead: a month number as a category, say.
    A key column is a feature only where it is named here. bytea is read only as an image."""

    vectors: dict[str, list[str]] = {}
    """Names of the elements of an array or vector column, which become columns of their own.
    Without: the column's name with _1, _2, ... as PostgreSQL counts."""

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
        if self.classes and self.task == "regression":
            raise ValueError("source.classes is declared, but a regression's label has no classes")
        if self.positive_label is not None and self.task != "binary":
            raise ValueError(f"positive_label is for the binary task, and task is {self.task}")
        both = sorted(set(self.drop) & self.kinds.keys())
        if both:
            raise ValueError(f"{', '.join(both)} under both drop and kinds; keep one of them")
        return self
