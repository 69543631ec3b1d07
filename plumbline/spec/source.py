"""What is asked of PostgreSQL, and what its columns mean."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, model_validator

from plumbline.spec.options import Identifier, Options, Scalar

FeatureKind = Literal["numeric", "category", "image", "ignore"]
Task = Literal["binary", "multiclass", "multilabel", "regression"]
Pixels = Annotated[int, Field(ge=8, le=1024)]


class ImageSpec(Options):
    """How the bytes of an image column become pixels that a network reads."""

    height: Pixels
    """Rows of pixels (count)."""
    width: Pixels
    """Pixels of a row (count)."""
    channels: Literal[1, 3, 4] = 3
    """1: gray. 3: red, green and blue. 4: those and alpha. An image that would lose something
    is refused; gray as color loses nothing."""
    resize: bool = False
    """Bring images of another size to this one, whatever their aspect. Without: refused."""
    nulls: Literal["refused", "black"] = "refused"
    """What becomes of a row without an image. black: all 0, the alpha too."""


class SourceSpec(Options):
    """What is asked of PostgreSQL, and what its columns mean."""

    sql: str
    """The extract's SQL file, relative to the project's root. One SELECT, no ORDER BY."""

    parameters: dict[Identifier, Scalar] = {}
    """Values for the `:name` parameters of the SQL; `--param name=value` replaces one."""

    key: list[str] = Field(min_length=1)
    """Columns that identify a row. Proved unique and not NULL; the extract is ordered by them."""

    label: str
    """The column to predict. For multilabel: an array column whose elements are named under
    vectors, or what the columns in labels are called together."""

    labels: list[str] = []
    """For multilabel: the columns to predict, each boolean or 0/1."""

    positive_label: Scalar = None
    """The label's value that counts as 1. Needed unless the label is boolean or 0/1."""

    task: Task = "binary"
    """What kind of prediction."""

    classes: list[Scalar] = []
    """The label's values, all of them; another one is refused. Empty: those that occur."""

    timestamp: str | None = None
    """When the row's event happened. Needed by the temporal split; never a feature."""

    group: str | None = None
    """Rows that share this value stay on one side of the split; never a feature."""

    weight: str | None = None
    """What each row counts for in training and in validation metrics, and never a feature:
    numbers of 0 or more. Without it all rows count alike."""

    drop: list[str] = []
    """Columns that are kept in the snapshot but are not features."""

    kinds: dict[str, FeatureKind] = {}
    """How to read a feature where its type would mislead: a month number as a category, say.
    A key column is a feature only where it is named here. bytea is read only as an image."""

    images: dict[Identifier, ImageSpec] = {}
    """Image columns that networks read, of those declared under kinds. Trees read none."""

    vectors: dict[str, list[str]] = {}
    """Names of the elements of an array or vector column, which become columns of their own.
    Without: the column's name with _1, _2, ... as PostgreSQL counts."""

    watermarks: dict[str, str] = {}
    """How far a table is, by the table's name as in the SQL: a column that only grows, whose
    maximum is read, or a SQL file (sql/...) that returns one value. A table that is not named
    here is watched by PostgreSQL's own counters of changes."""

    connections: int = Field(default=1, ge=1, le=16)
    """Connections that read the rows at once, each a range of the key (count). All read one state
    of the database; rows, their order and the digest are the same for any number."""

    max_snapshot_minutes: float = Field(default=60, gt=0)
    """How long reading may keep one state of the database, and so VACUUM from removing what was
    deleted since (minutes). The read fails when it is passed."""

    replica: str | None = None
    """Name of the environment variable that holds the address of a read replica. The rows are
    read there; without, from the server at DATABASE_URL."""

    on_schema_change: Literal["error", "warn"] = "error"
    """What to do when a column vanished or changed its type since the previous dataset version."""

    @model_validator(mode="after")
    def _roles_do_not_overlap(self) -> "SourceSpec":
        if self.label in self.key:
            raise ValueError(f"label {self.label!r} is also a key column; a label cannot identify")
        for name in dict.fromkeys((self.label, *self.label_columns)):
            if name in self.kinds:
                raise ValueError(f"{name!r} is the label and cannot be under kinds")
            if name in self.drop:
                raise ValueError(f"{name!r} is the label and cannot be under drop")
        if self.classes and self.task in ("regression", "multilabel"):
            raise ValueError(
                f"source.classes is declared, but a {self.task}'s label has no classes"
            )
        self._labels_are_several()
        if self.positive_label is not None and self.task != "binary":
            raise ValueError(f"positive_label is for the binary task, and task is {self.task}")
        self._weight_has_no_other_role()
        self._images_are_images()
        both = sorted(set(self.drop) & self.kinds.keys())
        if both:
            raise ValueError(f"{', '.join(both)} under both drop and kinds; keep one of them")
        return self

    @model_validator(mode="after")
    def _replica_is_a_name(self) -> "SourceSpec":
        if self.replica is not None and not self.replica.isidentifier():
            raise ValueError(
                "replica is no name of an environment variable; put the address, which may hold a "
                "password, into a variable and its name here"
            )
        return self

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that hold the label: several for multilabel, one for the other tasks."""
        if self.task != "multilabel":
            return (self.label,)
        return tuple(self.labels or self.vectors.get(self.label, ()))

    def _labels_are_several(self) -> None:
        if self.labels and self.task != "multilabel":
            raise ValueError(f"source.labels is for the multilabel task, and task is {self.task}")
        if self.task != "multilabel":
            return
        names = self.label_columns
        if len(set(names)) < max(2, len(names)):
            raise ValueError(
                f"the multilabel task has the label columns {', '.join(names) or 'none'}; name two "
                "or more different ones under source.labels, or the elements of the array "
                f"{self.label!r} under source.vectors"
            )
        taken = {*self.key, *self.vectors, self.timestamp, self.group} & set(self.labels)
        if taken:
            raise ValueError(f"{', '.join(sorted(map(str, taken)))} under labels has another role")
        if self.labels and self.label in (*self.labels, *self.vectors):
            raise ValueError(
                f"label {self.label!r} is a column of its own; choose a name for all of labels"
            )

    def _images_are_images(self) -> None:
        taken = {*self.key, self.timestamp, self.group}
        for name in self.images:
            if self.kinds.get(name) != "image":
                raise ValueError(
                    f"{name!r} is under images, but not declared an image; add {name}: image "
                    "under kinds"
                )
            if name in taken:
                raise ValueError(f"{name!r} is under images and has another role; it has one role")

    def _weight_has_no_other_role(self) -> None:
        roles: dict[str, Collection[str | None]] = {
            "label": [self.label, *self.label_columns],
            "key": self.key,
            "timestamp": [self.timestamp],
            "group": [self.group],
            "drop": self.drop,
            "kinds": self.kinds,
        }
        for role, names in roles.items():
            if self.weight is not None and self.weight in names:
                raise ValueError(f"weight {self.weight!r} is also under {role}; it has one role")
