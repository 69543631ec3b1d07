"""What each stage leaves as a table: its rows, its columns, and where those come from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.workbench import Workbench
from plumbline.decision.decision import Decision
from plumbline.evaluation.evaluate import LABEL, TEST_SCORES
from plumbline.extract import column_lineage
from plumbline.extract.snapshot import Column
from plumbline.release.golden import GOLDEN
from plumbline.scoring.snapshots import PREDICTIONS
from plumbline.split.split import ASSIGNMENT, SIDE_COLUMN
from plumbline.training_features import sink

SCORE = "score"
"""What a model says of a row; several numbers where there are several classes or labels."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A stage's table. A stage that leaves none has rows only: those that it looked at."""

    rows: int
    columns: tuple[dg.TableColumn, ...] = ()
    origins: Mapping[str, list[dg.TableColumnDep]] = field(default_factory=dict)
    """By column; absent where it comes from no column."""
    unresolved: Mapping[str, str] = field(default_factory=dict)
    """By column: what of its origin is not known, and why."""


def _snapshot(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    traced = column_lineage.of_snapshot(bench.snapshot, bench.spec.source.sql)
    return Shape(
        rows=bench.snapshot.rows,
        columns=tuple(_described(bench, column) for column in bench.snapshot.columns),
        origins={
            column.name: [
                dg.TableColumnDep(dg.AssetKey(one.table.split(".")), one.column)
                for one in traced.origins.get(column.array or column.name, ())
            ]
            for column in bench.snapshot.columns
        },
        unresolved={
            column.name: traced.unresolved[selected]
            for column in bench.snapshot.columns
            if (selected := column.array or column.name) in traced.unresolved
        },
    )


def _described(bench: Workbench, column: Column) -> dg.TableColumn:
    kinds = {feature.name: f"{feature.kind} feature" for feature in bench.features.features}
    key = column.name in bench.snapshot.key
    return dg.TableColumn(
        column.name,
        column.postgres_type,
        description=kinds.get(column.name) or bench.features.ignored.get(column.name),
        constraints=dg.TableColumnConstraints(
            nullable=not key and column.name not in bench.spec.source.label_columns,
            unique=bench.snapshot.key == (column.name,),
        ),
    )


def _split(bench: Workbench, folder: Path) -> Shape:
    key = bench.spec.source.key
    return _parquet(
        folder / ASSIGNMENT,
        {
            **{name: _of(bench, "snapshot", [name]) for name in key},
            SIDE_COLUMN: _of(bench, "snapshot", _placing(bench)),
        },
    )


def _placing(bench: Workbench) -> list[str]:
    """Columns by which the policy places a row."""
    source, options = bench.spec.source, bench.spec.split
    units = [source.group] if source.group else list(source.key)
    placing = {
        "hash": units,
        "stratified": [*source.label_columns, *units],
        "temporal": [source.timestamp, source.group],
        "column": [getattr(options, "column", None)],
    }
    return [name for name in placing[options.policy] if name]


def _normalization(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    fitted = bench.normalization
    indicators = {f"{name} is null": name for name in fitted.indicators}
    raw = {name: indicators.get(name, name) for name in fitted.numeric_names}
    raw |= {name: name for name in fitted.category_names}
    raw |= {one.name: one.name for one in fitted.images}
    kinds = {
        **dict.fromkeys(fitted.category_names, "int32"),
        **{one.name: "uint8[]" for one in fitted.images},
    }
    return Shape(
        rows=fitted.row_count,
        columns=tuple(dg.TableColumn(name, kinds.get(name, "float32")) for name in raw),
        origins={name: _of(bench, "snapshot", [column]) for name, column in raw.items()},
    )


def _training_features(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    fitted, counts = bench.normalization.tabular, bench.split.counts
    return Shape(
        rows=counts["train"] + counts["val"],
        columns=tuple(
            dg.TableColumn(name, kind.split(" NOT NULL")[0], description=told)
            for name, (kind, told) in sink.LAYOUT.items()
        ),
        origins={
            "row_key": _of(bench, "snapshot", bench.spec.source.key),
            "split": _of(bench, "split", [SIDE_COLUMN]),
            "raw_vector": _of(bench, "snapshot", fitted.number_columns),
            "raw_categories": _of(bench, "snapshot", fitted.category_names),
            "scaled_vector": _features(bench, images=False),
            **dict.fromkeys(("label_index", "label_value"), _label(bench)),
        },
    )


def _trees(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    return _scores(bench, _features(bench, images=False))


def _network(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    return _scores(bench, _features(bench, images=True))


def _scores(bench: Workbench, read: list[dg.TableColumnDep]) -> Shape:
    """What a model says of the validation rows, by which it is chosen."""
    return Shape(
        rows=bench.split.counts["val"],
        columns=(dg.TableColumn(SCORE, "double", description="What the model says of a row."),),
        origins={SCORE: read},
    )


def _evaluation(bench: Workbench, folder: Path) -> Shape:
    scores = {kind: _of(bench, kind, [SCORE]) for kind in bench.evaluation.candidates}
    return _parquet(folder / TEST_SCORES, {LABEL: _label(bench), **scores})


def _release(bench: Workbench, folder: Path) -> Shape:
    """The bundle's answers, of which it carries some as golden rows."""
    winner, answers = _of(bench, "evaluation", [bench.evaluation.winner]), _answers(bench)
    return Shape(
        rows=pq.read_metadata(folder / "bundle" / GOLDEN).num_rows,
        columns=tuple(dg.TableColumn(one.name, str(one.type)) for one in answers),
        origins=dict.fromkeys(answers.names, winner),
    )


def _predictions(bench: Workbench, folder: Path) -> Shape:
    return _parquet(
        folder / PREDICTIONS,
        {
            **{name: _of(bench, "snapshot", [name]) for name in bench.snapshot.key},
            **{name: _of(bench, "release", [name]) for name in _answers(bench).names},
        },
    )


def _answers(bench: Workbench) -> pa.Schema:
    found = bench.evaluation
    return Decision.from_json(found.candidates[found.winner]["decision"]).schema


def _gate(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    scores = [dep for kind in ("random_forest", "xgboost") for dep in _of(bench, kind, [SCORE])]
    return Shape(
        rows=bench.split.counts["val"],
        columns=(dg.TableColumn("decision", "string", description="OPEN or CLOSED"),),
        origins={"decision": scores},
    )


def _every_row(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    return Shape(rows=bench.snapshot.rows)


def _rows_to_learn_by(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    return Shape(rows=bench.split.counts["train"] + bench.split.counts["val"])


def _none(bench: Workbench, folder: Path) -> Shape:  # noqa: ARG001
    """The stage says itself how many rows it compared."""
    return Shape(rows=0)


def _parquet(path: Path, origins: Mapping[str, list[dg.TableColumnDep]]) -> Shape:
    with pq.ParquetFile(path) as file:
        return Shape(
            rows=file.metadata.num_rows,
            columns=tuple(dg.TableColumn(one.name, str(one.type)) for one in file.schema_arrow),
            origins=origins,
        )


def _features(bench: Workbench, *, images: bool) -> list[dg.TableColumnDep]:
    fitted = bench.normalization if images else bench.normalization.tabular
    names = (*fitted.numeric_names, *fitted.category_names, *(one.name for one in fitted.images))
    return _of(bench, "normalization", names)


def _label(bench: Workbench) -> list[dg.TableColumnDep]:
    return _of(bench, "snapshot", bench.spec.source.label_columns)


def _of(bench: Workbench, stage: str, columns: Iterable[str]) -> list[dg.TableColumnDep]:
    key = dg.AssetKey([bench.spec.name, stage])
    return [dg.TableColumnDep(key, column) for column in columns]


SHAPES: Mapping[str, Callable[[Workbench, Path], Shape]] = {
    "snapshot": _snapshot,
    "split": _split,
    "audit": _every_row,
    "version_diff": _every_row,
    "normalization": _normalization,
    "training_features": _training_features,
    "floor": _trees,
    "random_forest": _trees,
    "xgboost": _trees,
    "optimism": _rows_to_learn_by,
    "baseline_gate": _gate,
    "network_search": _rows_to_learn_by,
    "network": _network,
    "network_seeds": _network,
    "evaluation": _evaluation,
    "release": _release,
    "promotion": _none,
    "predictions": _predictions,
    "guard_drill": _every_row,
}
"""By stage, given its folder."""
