"""Where rows are: in which dataset versions, and on which side of each of their splits."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.errors import HistoryError
from plumbline.extract.freeze import snapshot_address
from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.history.keys import (
    ASKED,
    Keys,
    numbered,
    postgres_types,
    rows_with,
    same_key,
    stored_schema,
)
from plumbline.history.pair import Pair, pair
from plumbline.history.places import either, views
from plumbline.registry import Registry, Row
from plumbline.spec import PipelineSpec
from plumbline.split.rows import NAMES
from plumbline.split.split import ASSIGNMENT, CERTIFICATE, SIDE_COLUMN
from plumbline.store import ArtifactStore

Table = list[dict[str, Any]]

READ = "read"
"""State of what was searched. Any other state says why it could not be."""

GONE = "not in the store"
FOREIGN = "cannot hold these keys"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for, and where."""

    spec: PipelineSpec
    keys: Keys
    registry: Registry
    store: ArtifactStore

    @cached_property
    def datasets(self) -> dict[str, Row]:
        """The registry's rows of the pipeline's dataset versions, the oldest first."""
        rows = self.registry.rows("dataset_versions", pipeline=self.spec.name)
        return {row["dataset_version"]: row for row in rows}

    def rows(self, table: str, **match: Any) -> Table:
        """The pipeline's rows of a registry table, the oldest first."""
        return list(self.registry.rows(table, pipeline=self.spec.name, **match))

    def folder(self, stage: str, version: str) -> Path:
        """On this machine; where nothing was published, there is no such folder."""
        return self.store.local(self.spec.name, stage, version)

    def location(self, stage: str, version: str) -> str:
        """In the store, as it is told to people; whether or not it is there."""
        return self.store.location_of(self.store.folder(self.spec.name, stage, version))

    def stored(self, stage: str) -> Iterator[Path]:
        """Every published folder of a stage, whatever options it was made with."""
        for version in self.store.published(self.spec.name, stage):
            yield self.folder(stage, version)

    def age(self, dataset_version: str) -> int:
        """The place of a dataset version among all, the oldest first; to sort by."""
        known = list(self.datasets)
        return known.index(dataset_version) if dataset_version in known else len(known)

    def snapshot_folder(self, dataset_version: str) -> Path:
        """As `folder`."""
        return self.folder("snapshot", snapshot_address(self.spec.name, dataset_version))

    def types(self, dataset_version: str) -> dict[str, str]:
        """PostgreSQL's types of a dataset version's columns."""
        row = self.datasets.get(dataset_version)
        return postgres_types(row) if row else {}

    def typed(self, dataset_version: str) -> pa.RecordBatch:
        """The keys in the types of a dataset version.

        Raises:
            HistoryError: its key has other columns, or a key's text is not of its type.
        """
        return self.keys.typed(
            stored_schema(self.datasets[dataset_version]), self.types(dataset_version)
        )


def datasets(search: Search) -> Table:
    """Per dataset version: {dataset_version, frozen_at, digest, folder, state, found, changed}.

    `found` are the numbers of the keys that it has. `changed` says of which of them the values
    are others than in the version before: {key, columns}.
    """
    table = [_dataset(search, row) for row in search.datasets.values()]
    for before, after in pairwise(table):
        after["changed"] = _changed(search, before, after)
    return table


def splits(search: Search) -> Table:
    """Per split: {split_version, dataset_version, policy, recorded, folder, state, sides}.

    Those in the registry and those in the store, whatever options are declared today. `sides`
    has the numbers of the keys in train, val, test and excluded.
    """
    recorded = {row["split_version"]: row for row in search.rows("split_versions")}
    found = {folder.name: folder for folder in search.stored("split")}
    return [_split(search, version, recorded.get(version)) for version in recorded | found]


def _dataset(search: Search, row: Row) -> dict[str, Any]:
    version = row["dataset_version"]
    address = snapshot_address(search.spec.name, version)
    data = search.folder("snapshot", address) / DATA
    state, found = _searched(search, data, version, [])
    return {
        "dataset_version": version,
        "frozen_at": row["frozen_at"].isoformat(),
        "digest": row["digest"],
        "folder": search.location("snapshot", address),
        "state": state,
        "found": found.column(ASKED).to_pylist(),
        "changed": [],
    }


def _split(search: Search, version: str, row: Row | None) -> dict[str, Any]:
    folder = search.folder("split", version)
    dataset, policy = (
        (row["dataset_version"], row["policy"]) if row else _certified(folder / CERTIFICATE)
    )
    state, found = _searched(search, folder / ASSIGNMENT, dataset, [SIDE_COLUMN])
    placed = list(zip(*(column.to_pylist() for column in found.columns), strict=True))
    return {
        "split_version": version,
        "dataset_version": dataset,
        "policy": policy["policy"],
        "recorded": row is not None,
        "folder": search.location("split", version),
        "state": state,
        "sides": {side: [key for key, place in placed if place == side] for side in NAMES},
    }


def _certified(path: Path) -> tuple[str, dict[str, Any]]:
    certificate = json.loads(path.read_text("utf-8"))
    return certificate["dataset"]["dataset_version"], certificate["policy"]


def _searched(
    search: Search, path: Path, dataset_version: str, wanted: list[str]
) -> tuple[str, pa.Table]:
    """The state of a file, and what it has of the keys."""
    nothing = pa.table({name: [] for name in (ASKED, *wanted)})
    if not path.is_file():
        return GONE, nothing
    try:
        return READ, rows_with(search.keys, path, search.types(dataset_version), wanted)
    except HistoryError as error:
        return f"{FOREIGN}: {error.found}", nothing
    except pa.ArrowInvalid as error:
        return f"cannot be read: {error}", nothing


def _changed(search: Search, before: dict[str, Any], after: dict[str, Any]) -> Table:
    if before["state"] != READ or after["state"] != READ:
        return []
    try:
        folders = (search.snapshot_folder(one["dataset_version"]) for one in (before, after))
        matched = pair(*map(Snapshot.load, folders))
    except HistoryError:
        return []
    return _other_values(search, matched)


def _other_values(search: Search, matched: Pair) -> Table:
    compared = [column for column in matched.values if column.differs]
    marks = [column.differs or "" for column in compared]
    path = matched.after.folder / DATA
    with views(before=matched.before.folder / DATA, after=path) as connection:
        connection.register("keys", numbered(search.typed(matched.after.dataset_version)))
        rows = connection.sql(
            f"SELECT {', '.join([f'keys.{ASKED}', *marks])} FROM keys "
            f"JOIN after ON {same_key(search.keys, pq.read_schema(path), 'after')} "
            f"JOIN before ON {matched.same_key} WHERE {either(marks)} ORDER BY keys.{ASKED}"
        ).fetchall()
    return [
        {
            "key": key,
            "columns": [one.name for one, mark in zip(compared, marked, strict=True) if mark],
        }
        for key, *marked in rows
    ]
