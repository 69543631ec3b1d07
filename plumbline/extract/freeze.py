"""Freeze: bind the name of a dataset version, for ever, to the rows a query returns now."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plumbline.errors import ArtifactMissing, VersionConflict
from plumbline.extract.arrays import default_names
from plumbline.extract.extraction import extract
from plumbline.extract.query import Query
from plumbline.extract.snapshot import Snapshot
from plumbline.postgres import Postgres
from plumbline.registry import Registry, Row
from plumbline.spec import PipelineSpec
from plumbline.store import ArtifactStore
from plumbline.versions import fingerprint

log = logging.getLogger(__name__)

TABLE = "dataset_versions"
_SOURCE_CHANGED = (
    "the source no longer reproduces",
    "restore the snapshot's folder from a backup, or freeze the rows of today under a new name",
)
_STORE_SWAPPED = (
    "the store and the registry disagree on",
    "use the store and the database that belong together, or restore the folder from a backup",
)


def snapshot_address(pipeline: str, dataset_version: str) -> str:
    """The fingerprint under which the store keeps a snapshot: its name's, not its content's."""
    return fingerprint(stage="snapshot", pipeline=pipeline, dataset_version=dataset_version)


def freeze(
    spec: PipelineSpec,
    *,
    dataset_version: str,
    query: Query,
    postgres: Postgres,
    registry: Registry,
    store: ArtifactStore,
) -> tuple[Snapshot, bool]:
    """The snapshot of `dataset_version`; True if it was there, verified, and nothing was read.

    A version that is registered but no longer in the store is read again, and must come out
    the same. One process at a time works on a version; others wait and find its snapshot.

    Raises:
        VersionConflict: the name is bound to another query, key or label, or to rows that the
            source no longer returns.
        ArtifactCorrupt: the snapshot's files have changed.
        StoreUnwritable: the store is read-only or full.
        ExtractError, SpecError, DatabaseUnreachable: see `extract`. Nothing is bound then.
    """
    with registry.exclusive(f"snapshot/{spec.name}/{dataset_version}"):
        row = registry.one(TABLE, pipeline=spec.name, dataset_version=dataset_version)
        if row is not None:
            require_same_question(row, query, spec)
        present = _find(spec.name, dataset_version, store)
        if present is not None:
            log.info("%s: %s is there and verifies; nothing read", spec.name, dataset_version)
            require_same_question(_row(present), query, spec)
            snapshot = present
        else:
            snapshot = _publish(
                spec, dataset_version, query, postgres=postgres, store=store, row=row
            )
        _record(snapshot, row, registry)
    return snapshot, present is not None


def find_snapshot(
    pipeline: str, dataset_version: str, registry: Registry, store: ArtifactStore
) -> Snapshot:
    """The snapshot that was frozen as `dataset_version`, with its bytes verified.

    Raises:
        ArtifactMissing: the version was never frozen, or its files were pruned.
        ArtifactCorrupt: its files have changed.
        VersionConflict: the store holds other rows than the registry says.
    """
    folder = store.get(pipeline, "snapshot", snapshot_address(pipeline, dataset_version))
    row = registry.one(TABLE, pipeline=pipeline, dataset_version=dataset_version)
    if row is None:
        raise ArtifactMissing(
            f"{folder} is not in the registry",
            expected=f"a row for {pipeline} {dataset_version} in {TABLE}",
            remedy=f"materialize {pipeline}/snapshot for this dataset version again",
        )
    snapshot = Snapshot.load(folder)
    _require_same_rows(row, snapshot, _STORE_SWAPPED)
    return snapshot


def previous_version(pipeline: str, dataset_version: str, registry: Registry) -> Row | None:
    """The registry's row of the dataset version that was frozen just before this one."""
    previous = None
    for row in registry.rows(TABLE, pipeline=pipeline):
        if row["dataset_version"] == dataset_version:
            return previous
        previous = row
    return None


def _find(pipeline: str, dataset_version: str, store: ArtifactStore) -> Snapshot | None:
    folder = store.find(pipeline, "snapshot", snapshot_address(pipeline, dataset_version))
    return Snapshot.load(folder) if folder else None


def _publish(
    spec: PipelineSpec,
    dataset_version: str,
    query: Query,
    *,
    postgres: Postgres,
    store: ArtifactStore,
    row: Row | None,
) -> Snapshot:
    address = snapshot_address(spec.name, dataset_version)
    write = drawing(spec, dataset_version, query, postgres=postgres, row=row)
    return Snapshot.load(store.publish(spec.name, "snapshot", address, write))


def drawing(
    spec: PipelineSpec, dataset_version: str, query: Query, *, postgres: Postgres, row: Row | None
) -> Callable[[Path], None]:
    """What fills a folder with today's rows; raises VersionConflict if they are not `row`'s."""

    def write(folder: Path) -> None:
        drawn = extract(folder, spec, dataset_version, query, postgres)
        if row is not None:
            _require_same_rows(row, drawn, _SOURCE_CHANGED)

    return write


def _record(snapshot: Snapshot, row: Row | None, registry: Registry) -> None:
    if row is None:
        registry.record(TABLE, **_row(snapshot))
    else:
        _require_same_rows(row, snapshot, _STORE_SWAPPED)


def _row(snapshot: Snapshot) -> Row:
    return {
        "pipeline": snapshot.pipeline,
        "dataset_version": snapshot.dataset_version,
        "digest": snapshot.digest,
        "query": snapshot.query,
        "parameters": snapshot.parameters,
        "key_columns": list(snapshot.key),
        "label_column": snapshot.label,
        "row_count": snapshot.rows,
        "columns": [asdict(column) for column in snapshot.columns],
        "server_version": snapshot.server_version,
        "key_collation": snapshot.key_collation,
        "postgres_snapshot": snapshot.postgres_snapshot,
    }


def require_same_question(bound: Row, query: Query, spec: PipelineSpec) -> None:
    """Raises VersionConflict where query, parameters, names, key or label are not as frozen."""
    differing = [
        *_different_text(bound["query"], query),
        *_different_values(bound["parameters"], query.parameters),
        *_different_elements(bound["columns"], spec),
    ]
    if list(bound["key_columns"]) != spec.source.key:
        differing.append(_changed("source.key", bound["key_columns"], spec.source.key))
    if bound["label_column"] != spec.source.label:
        differing.append(_changed("source.label", bound["label_column"], spec.source.label))
    if differing:
        raise _conflict(bound, differing, spec)


def _different_text(bound: str, query: Query) -> list[str]:
    frozen = Query(file=query.file, text=bound, parameters=query.parameters)
    if bound == query.text or frozen.identity == query.identity:
        return []
    return [f"the SQL of {query.file} has changed"]


def _different_values(bound: dict[str, Any], now: dict[str, Any]) -> list[str]:
    names = sorted(bound.keys() | now.keys())
    return [
        _changed(f"parameter {name}", bound.get(name), now.get(name))
        for name in names
        if bound.get(name) != now.get(name)
    ]


def _different_elements(columns: list[dict[str, Any]], spec: PipelineSpec) -> list[str]:
    arrays: dict[str, list[str]] = {}
    for column in columns:
        if array := column.get("origin", "").rpartition("[")[0]:
            arrays.setdefault(array, []).append(column["name"])
    return [
        _changed(f"source.vectors of {name}", names, now)
        for name, names in arrays.items()
        if (now := spec.source.vectors.get(name, list(default_names(name, len(names))))) != names
    ]


def _changed(what: str, before: object, after: object) -> str:
    return f"{what} was {before!r} and is {after!r}"


def _conflict(bound: Row, differing: list[str], spec: PipelineSpec) -> VersionConflict:
    return VersionConflict(
        f"dataset version {bound['dataset_version']} of {spec.name} is already frozen, and "
        f"{'; '.join(differing)}",
        expected="the query, parameters, key and label that it was frozen with",
        remedy="choose a new name for the dataset version, or undo the change",
        differing=differing,
    )


def _require_same_rows(row: Row, snapshot: Snapshot, what: tuple[str, str]) -> None:
    """Raises VersionConflict where the snapshot's content is not what the registry says."""
    if row["digest"] == snapshot.digest:
        return
    found, remedy = what
    raise VersionConflict(
        f"{found} dataset version {row['dataset_version']} of {row['pipeline']}: "
        f"{'; '.join(_different_rows(row, snapshot))}",
        expected=f"the content that was frozen on {row['frozen_at']:%Y-%m-%d}, with digest "
        f"{row['digest'][:12]}",
        remedy=remedy,
    )


def _different_rows(row: Row, snapshot: Snapshot) -> list[str]:
    before = {column["name"]: {"origin": "", **column} for column in row["columns"]}
    now = {column.name: asdict(column) for column in snapshot.columns}
    told = []
    if row["row_count"] != snapshot.rows:
        told.append(f"{row['row_count']:,} rows then, {snapshot.rows:,} now")
    differing = [name for name in before | now if before.get(name) != now.get(name)]
    told.append(f"differing columns: {', '.join(differing) or 'their order'}")
    return told
