"""Two versions of a dataset: the columns they share, and how values of these compare."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from plumbline.errors import HistoryError
from plumbline.extract.snapshot import Column, Snapshot
from plumbline.history.places import place

Reading = Literal["number", "moment", "category"]
"""What a column's values are to a distribution."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A column of one version, by its place in the file."""

    column: Column
    view: Literal["before", "after"]
    index: int

    @property
    def term(self) -> str:
        """Its values, as SQL."""
        return f"{self.view}.{place(self.index)}"

    def told(self, term: str = "") -> str:
        """SQL for what people are shown of its values, or of a term with the same values.

        Moments are text in ISO 8601: Python's cannot be before the year 1 or after 9999.
        """
        term, kind = term or self.term, self.column.arrow_type
        if kind.startswith("timestamp"):
            text = f"replace(strftime({term}, '%Y-%m-%dT%H:%M:%S.%f'), '.000000', '')"
            return f"{text} || '+00:00'" if "tz=" in kind else text
        return f"CAST({term} AS VARCHAR)" if self.reading == "moment" else term

    @property
    def reading(self) -> Reading:
        kind = self.column.arrow_type
        if kind.startswith("timestamp") or kind.startswith("date"):
            return "moment"
        numeric = kind.startswith(("int", "float", "double"))
        return "number" if numeric or self.column.postgres_type == "numeric" else "category"

    @property
    def number(self) -> str:
        """Its values as double precision, as SQL: moments in microseconds since 1970, UTC."""
        if self.reading == "moment":
            return f"CAST(epoch_us({self.term}) AS DOUBLE)"
        return f"TRY_CAST({self.term} AS DOUBLE)"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A column that both versions have."""

    before: Placed
    after: Placed

    @property
    def name(self) -> str:
        return self.after.column.name

    @property
    def retyped(self) -> bool:
        return _types(self.before.column) != _types(self.after.column)

    @property
    def reading(self) -> Reading | None:
        """What the values are in both versions; None where they are of two kinds."""
        return self.after.reading if self.before.reading == self.after.reading else None

    @property
    def differs(self) -> str | None:
        """SQL that is true where the values differ; None where the types do not compare.

        NULL equals NULL, NaN equals NaN, and -0.0 equals 0.0. Numbers or moments of two types
        compare as double precision.
        """
        kinds = {self.before.column.arrow_type, self.after.column.arrow_type}
        if len(kinds) == 1 or all(kind.startswith("int") for kind in kinds):
            return f"{self.before.term} IS DISTINCT FROM {self.after.term}"
        if self.reading in ("number", "moment"):
            return f"{self.before.number} IS DISTINCT FROM {self.after.number}"
        return None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A dataset version and a later one, told apart by the same key."""

    before: Snapshot
    after: Snapshot

    @cached_property
    def shared(self) -> tuple[Shared, ...]:
        """The key's columns and all others that both versions have, in the later one's order."""
        places = {column.name: index for index, column in enumerate(self.before.columns)}
        return tuple(
            Shared(
                before=Placed(
                    column=self.before.columns[places[after.name]],
                    view="before",
                    index=places[after.name],
                ),
                after=Placed(column=after, view="after", index=index),
            )
            for index, after in enumerate(self.after.columns)
            if after.name in places
        )

    @cached_property
    def key(self) -> tuple[Shared, ...]:
        """The key's columns, in the key's order."""
        named = {column.name: column for column in self.shared}
        return tuple(named[name] for name in self.after.key)

    @cached_property
    def values(self) -> tuple[Shared, ...]:
        """The shared columns that are not of the key."""
        return tuple(column for column in self.shared if column.name not in self.after.key)

    @property
    def same_key(self) -> str:
        """SQL that joins a row before to the same row after."""
        return " AND ".join(f"{one.before.term} = {one.after.term}" for one in self.key)


def pair(before: Snapshot, after: Snapshot) -> Pair:
    """Two versions whose rows can be matched.

    Raises:
        HistoryError: their keys have other columns or types.
    """
    if _key(before) != _key(after):
        raise HistoryError(
            f"the key of {before.dataset_version} is {_told(before)}, and that of "
            f"{after.dataset_version} is {_told(after)}",
            expected="one key with the same columns and types in both, to match rows by",
            remedy="compare two versions from before or two from after the key was changed",
            before=before.key,
            after=after.key,
        )
    return Pair(before=before, after=after)


def _key(snapshot: Snapshot) -> dict[str, str]:
    return {name: snapshot.column(name).arrow_type for name in snapshot.key}


def _told(snapshot: Snapshot) -> str:
    columns = [snapshot.column(name) for name in snapshot.key]
    return "(" + ", ".join(f"{column.name} {column.postgres_type}" for column in columns) + ")"


def _types(column: Column) -> tuple[str, str]:
    return column.postgres_type, column.arrow_type
