"""Where else rows, their keys or their scores are stored."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from plumbline.errors import HistoryError
from plumbline.extract.snapshot import DATA
from plumbline.history.diff import DIFFERENCE
from plumbline.history.keys import ASKED, numbered, rows_with, same_key
from plumbline.history.places import place, views
from plumbline.history.sightings import FOREIGN, GONE, READ, Search, Table
from plumbline.history.values import plain
from plumbline.release.golden import GOLDEN
from plumbline.scoring.answers import VERSIONS
from plumbline.scoring.snapshots import PREDICTIONS
from plumbline.versions import canonical_json

AT_ONCE = 1000
"""Keys in one query of PostgreSQL (count)."""


def predictions(search: Search) -> Table:
    """Per stored prediction file: versions, folder, state, and rows: {key, and the answer}."""
    found = [_predicted(search, folder) for folder in search.stored("predictions")]
    return sorted(found, key=lambda made: search.age(made["dataset_version"]))


def golden(search: Search, bundles: Table) -> Table:
    """Per bundle: {bundle_version, file, state, found}: keys whose values are a golden row's.

    Golden rows carry no key unless it is a feature. They are drawn from the validation rows,
    so a row is held to be one if it is in val and agrees in every column that the model reads.
    """
    return [_golden(search, bundle) for bundle in bundles]


def training_features(search: Search) -> dict[str, Any]:
    """{table, state, rows: {key, normalization_version, split}} of the declared table, if any."""
    declared = search.spec.training_features
    if declared is None:
        return {"table": None, "state": "none is declared", "rows": []}
    schema, _, name = declared.table.partition(".")
    present = sa.inspect(search.registry.engine)
    if not present.has_table(name, schema):
        return {"table": declared.table, "state": "not made yet", "rows": []}
    missing = {"row_key", "normalization_version", "split", "pipeline"} - {
        column["name"] for column in present.get_columns(name, schema)
    }
    if missing:
        state = f"cannot be read: it has no column {', '.join(sorted(missing))}"
        return {"table": declared.table, "state": state, "rows": []}
    return {"table": declared.table, "state": READ, "rows": _trained(search, schema, name)}


def audits(search: Search) -> Table:
    """Per audit: versions, folder, and the findings that name one of the keys as an example.

    These are {finding, check, found}.
    """
    return [
        {
            **{name: row[name] for name in ("audit_version", "dataset_version", "split_version")},
            "findings": [
                {"finding": one["finding"], "check": one["check"], "found": found}
                for one in search.registry.rows("findings", audit_version=row["audit_version"])
                if (found := _named(search, row["dataset_version"], one["examples"]))
            ],
            "folder": search.location("audit", row["audit_version"]),
        }
        for row in search.rows("audits")
    ]


def examples(search: Search) -> Table:
    """Version diffs whose examples name one of the keys, with the keys' numbers in `found`."""
    table = []
    for folder in search.stored("version_diff"):
        record = json.loads((folder / DIFFERENCE).read_text("utf-8"))["difference"]
        if record is None:
            continue
        version = record["after"]["dataset_version"]
        named = [one["key"] for rows in record["examples"].values() for one in rows]
        if found := _named(search, version, named):
            made = {"version_diff": folder.name, "dataset_version": version}
            place = search.location("version_diff", folder.name)
            table.append({**made, "found": found, "folder": place})
    return sorted(table, key=lambda made: search.age(made["dataset_version"]))


def _predicted(search: Search, folder: Path) -> dict[str, Any]:
    path = folder / PREDICTIONS
    with pq.ParquetFile(path) as file:
        first = next(file.iter_batches(1, columns=list(VERSIONS))).to_pylist()[0]
        answers = file.schema_arrow.names[len(search.keys.names) : -len(VERSIONS)]
    place = search.location("predictions", folder.name)
    made = {"predictions": folder.name, **first, "folder": place}
    try:
        types = search.types(first["dataset_version"])
        found = rows_with(search.keys, path, types, answers)
    except HistoryError as error:
        return {**made, "state": f"{FOREIGN}: {error.found}", "rows": []}
    rows = [{"key": row[ASKED], **{n: row[n] for n in answers}} for row in found.to_pylist()]
    return {**made, "state": READ, "rows": rows}


def _golden(search: Search, bundle: dict[str, Any]) -> dict[str, Any]:
    place = "release", bundle["bundle_version"]
    paths = {
        Path(bundle["folder"]) / GOLDEN: f"{bundle['folder']}/{GOLDEN}",
        search.folder(*place) / "bundle" / GOLDEN: f"{search.location(*place)}/bundle/{GOLDEN}",
    }
    path = next((one for one in paths if one.is_file()), None)
    data = search.snapshot_folder(bundle["dataset_version"]) / DATA
    told = {
        "bundle_version": bundle["bundle_version"],
        "file": paths[path] if path else f"{bundle['folder']}/{GOLDEN}",
    }
    if path is None:
        return {**told, "state": GONE, "found": []}
    if not (bundle["sides_known"] and data.is_file()):
        state = "cannot be told: the snapshot or its split is not in the store"
        return {**told, "state": state, "found": []}
    equal = _equal_to_golden(search, data, path, bundle["dataset_version"])
    return {**told, "state": READ, "found": [key for key in bundle["chosen_by"] if key in equal]}


def _equal_to_golden(search: Search, data: Path, golden: Path, dataset: str) -> set[int]:
    schema, read = pq.read_schema(data), pq.read_schema(golden).names[:-1]
    same = " AND ".join(
        f"golden.{place(i)} IS NOT DISTINCT FROM file.{place(schema.get_field_index(name))}"
        for i, name in enumerate(read)
    )
    with views(file=data, golden=golden) as connection:
        connection.register("keys", numbered(search.typed(dataset)))
        rows = connection.sql(
            f"SELECT DISTINCT keys.{ASKED} FROM keys "
            f"JOIN file ON {same_key(search.keys, schema, 'file')} JOIN golden ON {same}"
        ).fetchall()
    return {key for (key,) in rows}


def _trained(search: Search, schema: str, name: str) -> Table:
    """The rows of the sink by their `row_key`, which holds the key as JSON."""
    names = [sa.column(one) for one in ("pipeline", "normalization_version", "split")]
    table = sa.table(name, *names, sa.column("row_key", JSONB), schema=schema)
    numbers = {text: key for dataset in search.datasets for text, key in _numbers(search, dataset)}
    found = []
    with search.registry.engine.connect() as connection:
        for start in range(0, len(numbers), AT_ONCE):
            wanted = [json.loads(text) for text in list(numbers)[start : start + AT_ONCE]]
            statement = sa.select(
                table.c.row_key, table.c.normalization_version, table.c.split
            ).where(table.c.pipeline == search.spec.name, table.c.row_key.in_(wanted))
            found += [
                {"key": numbers[_text(key)], "normalization_version": version, "split": side}
                for key, version, side in connection.execute(statement)
            ]
    made = [row["normalization_version"] for row in search.rows("normalization_params")]
    ages = {version: age for age, version in enumerate(made)}
    return sorted(
        found, key=lambda row: (ages.get(row["normalization_version"], len(ages)), row["key"])
    )


def _numbers(search: Search, dataset_version: str) -> list[tuple[str, int]]:
    """Each key as JSON text, as a dataset version has it, and its number."""
    try:
        typed = search.typed(dataset_version)
    except HistoryError:
        return []
    rows = [{n: plain(value) for n, value in row.items()} for row in typed.to_pylist()]
    return [(_text(row), number) for number, row in enumerate(rows)]


def _named(search: Search, dataset_version: str, named: Table) -> list[int]:
    """Numbers of the keys that are among `named`, or within wider rows of it."""
    numbers, names = dict(_numbers(search, dataset_version)), search.keys.names
    texts = (_text({name: row.get(name) for name in names}) for row in named)
    return sorted({numbers[text] for text in texts if text in numbers})


def _text(key: Mapping[str, Any]) -> str:
    return canonical_json(dict(key)).decode()
