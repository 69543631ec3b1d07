"""Rows that stand on another side of the split in another dataset version."""

from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from plumbline.chain import Chain
from plumbline.errors import ArtifactMissing
from plumbline.extract.snapshot import DATA, Snapshot
from plumbline.history.differences import EXAMPLES
from plumbline.history.pair import Pair
from plumbline.history.places import place, views
from plumbline.history.values import plain
from plumbline.spec import HashSplit, PipelineSpec
from plumbline.split.rows import SIDES
from plumbline.split.split import ASSIGNMENT
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Where the rows that two versions share stand in each of their splits."""

    policy: str
    table: list[dict[str, Any]]
    """{before, after, rows} for each pair of places: train, val, test or excluded."""
    moved: int
    """Rows that went from one of train, val and test to another one."""
    regrouped: int
    """Of these, the rows whose group is another one now."""
    excluded: int
    """Rows that are excluded in one version only; counted apart, they were never tested on."""
    examples: list[dict[str, Any]]
    """The first rows moved by key: {key, before, after}."""

    @property
    def problem(self) -> str:
        """What breaks the promise of the `hash` policy; empty if nothing does.

        A row's side follows there from its key alone, or from its group's value.
        """
        unexplained = self.moved - self.regrouped
        if self.policy != HashSplit().policy or not unexplained:
            return ""
        return (
            f"{unexplained:,} rows changed sides under the policy 'hash', which moves none; the "
            "assignment of one version is not what its key says: materialize both splits again"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "problem": self.problem}


def moves(spec: PipelineSpec, matched: Pair, store: ArtifactStore) -> Moves:
    """Compare the splits of two dataset versions under the options now declared.

    Raises:
        ArtifactMissing: one of them was not split with these options.
        ArtifactCorrupt: the files of a split have changed.
    """
    files = {
        f"sides_{name}": _assignment(spec, snapshot, store)
        for name, snapshot in (("before", matched.before), ("after", matched.after))
    }
    data = {"before": matched.before.folder / DATA, "after": matched.after.folder / DATA}
    with views(**files, **data) as connection:
        _match(connection, spec, matched)
        return Moves(
            policy=spec.split.policy,
            table=connection.sql(
                "SELECT before, after, count(*) AS rows FROM placed GROUP BY ALL ORDER BY ALL"
            )
            .to_arrow_table()
            .to_pylist(),
            **_counts(connection),
            examples=_examples(connection, matched),
        )


def _assignment(spec: PipelineSpec, snapshot: Snapshot, store: ArtifactStore) -> Any:
    version = Chain(
        spec=spec,
        dataset_version=DatasetVersion(snapshot.dataset_version),
        digest=snapshot.digest,
    ).split
    folder = store.find(spec.name, "split", version)
    if folder is None:
        raise ArtifactMissing(
            f"{snapshot.dataset_version} was not split with the options now declared",
            expected=f"split {version[:12]} in the store at {store.address}",
            remedy=f"plumbline run {spec.name} --dataset-version {snapshot.dataset_version}",
        )
    return folder / ASSIGNMENT


def _match(connection: duckdb.DuckDBPyConnection, spec: PipelineSpec, matched: Pair) -> None:
    """Make the table `placed`: both sides and the key of every row that both versions have."""
    keys = [
        (
            f"sides_before.{place(matched.before.key.index(column.name))}",
            f"sides_after.{place(matched.after.key.index(column.name))}",
        )
        for column in matched.key
    ]
    side = place(len(keys))
    same = " AND ".join(f"{before} = {after}" for before, after in keys)
    named = ", ".join(f"{after} AS k{i}" for i, (_, after) in enumerate(keys))
    regrouped, rows = _regrouping(spec, matched, [after for _, after in keys])
    connection.execute(
        f"CREATE TEMP TABLE placed AS SELECT sides_before.{side} AS before, "
        f"sides_after.{side} AS after, {regrouped} AS regrouped, {named} "
        f"FROM sides_before JOIN sides_after ON {same} {rows}"
    )


def _regrouping(spec: PipelineSpec, matched: Pair, keys: list[str]) -> tuple[str, str]:
    """SQL for whether a row's group is another one, and the joins that this needs."""
    group = next((one for one in matched.shared if one.name == spec.source.group), None)
    if group is None:
        return "false", ""
    joins = " ".join(
        f"JOIN {view} ON "
        + " AND ".join(
            f"{getattr(column, view).term} = {term}"
            for column, term in zip(matched.key, keys, strict=True)
        )
        for view in ("before", "after")
    )
    return group.differs or "true", joins


def _counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    ((moved, regrouped, excluded),) = connection.sql(
        f"SELECT count(*) FILTER ({_MOVED}), count(*) FILTER (regrouped AND {_MOVED}), "
        "count(*) FILTER (before <> after) FROM placed"
    ).fetchall()
    return {"moved": moved, "regrouped": regrouped, "excluded": excluded - moved}


def _examples(connection: duckdb.DuckDBPyConnection, matched: Pair) -> list[dict[str, Any]]:
    order = ", ".join(f"k{i}" for i, _ in enumerate(matched.key))
    found = connection.sql(f"SELECT * FROM placed WHERE {_MOVED} ORDER BY {order} LIMIT {EXAMPLES}")
    return [
        {
            "key": {one.name: plain(row[f"k{i}"]) for i, one in enumerate(matched.key)},
            "before": row["before"],
            "after": row["after"],
        }
        for row in found.to_arrow_table().to_pylist()
    ]


_LISTED = ", ".join(f"'{side}'" for side in SIDES)
_MOVED = f"(before <> after AND before IN ({_LISTED}) AND after IN ({_LISTED}))"
