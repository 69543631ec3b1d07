"""The proof that nothing but the training rows was fitted: spoil the others, fit again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.errors import PlumblineError
from plumbline.extract.features import FeatureTable
from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.normalization.fit import fit
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import TRAIN, TrainRows
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion, canonical_json, fingerprint


@dataclass(frozen=True, kw_only=True)
class LeakageProof:
    """Whether the parameters stand when every row that is not for training is spoilt."""

    passed: bool
    evidence: dict[str, Any]


class Fit(Protocol):
    def __call__(
        self,
        train: TrainRows,
        features: FeatureTable,
        options: NormalizationSpec,
        version: NormalizationVersion,
    ) -> Normalization: ...


def prove(
    split: Split,
    features: FeatureTable,
    options: NormalizationSpec,
    normalization: Normalization,
    *,
    fitting: Fit = fit,
) -> LeakageProof:
    """Fit again with validation and test rows spoilt; the parameters must be the same bytes.

    Spoilt numbers are permuted, scaled by a million or at the ends of their type, spoilt
    categories are values never seen, labels are permuted, and every third value is NULL.
    The snapshot's own counts and digests are spoilt too. The rows exist in memory only, a
    block at a time, and their folder does not: a fit that goes around them fails.
    """
    spoilt = _Spoilt.of(split, {feature.name: feature.kind for feature in features.features})
    evidence: dict[str, Any] = {
        "rows_spoilt": {name: split.counts[name] for name in ("val", "test")},
        "columns_spoilt": len(spoilt.kinds) + 1,
        "parameters": fingerprint(parameters=normalization.to_json()),
    }
    try:
        again = fitting(
            replace(split, snapshot=spoilt).train(), features, options, normalization.version
        )
    except (PlumblineError, OSError) as error:
        return LeakageProof(passed=False, evidence={**evidence, "error": str(error)})
    same = canonical_json(again.to_json()) == canonical_json(normalization.to_json())
    evidence["parameters_again"] = fingerprint(parameters=again.to_json())
    evidence["differing"] = [] if same else _differing(normalization.to_json(), again.to_json())
    return LeakageProof(passed=same, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class _Spoilt(Snapshot):
    """A snapshot whose rows outside the training rows are adversarial."""

    original: Snapshot
    training: np.ndarray
    """Whether a row is for training: bool, shape (rows,)."""
    kinds: dict[str, str]
    """Kind by feature."""

    @classmethod
    def of(cls, split: Split, kinds: dict[str, str]) -> "_Spoilt":
        snapshot = split.snapshot
        columns = (
            replace(one, nulls=snapshot.rows - one.nulls, digest="0" * 64)
            for one in snapshot.columns
        )
        given = {**vars(snapshot), "columns": tuple(columns), "digest": "0" * 64}
        given["folder"] = Path(snapshot.folder, "spoilt rows are in memory only")
        training = split.assignment == TRAIN
        return cls(**given, original=snapshot, training=training, kinds=kinds)

    def batches(
        self, columns: Sequence[str] | None = None, rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in self.original.batches(columns, rows):
            keep = self.training[start : start + batch.num_rows]
            yield batch if keep.all() else self._spoilt(batch, keep, start)
            start += batch.num_rows

    def _spoilt(self, batch: pa.RecordBatch, keep: np.ndarray, start: int) -> pa.RecordBatch:
        kept = pa.array(keep)
        arrays = [
            pc.if_else(kept, values, self._adversarial(name, values, start))
            if name in self.kinds or name == self.label
            else values
            for name, values in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)

    def _adversarial(self, name: str, values: pa.Array, start: int) -> pa.Array:
        positions = np.arange(start, start + len(values))
        if name == self.label:
            return values[::-1]
        worst = _worst(values, self.kinds[name], positions)
        return pc.if_else(pa.array(positions % 3 == 0), pa.scalar(None, values.type), worst)


def _worst(values: pa.Array, kind: str, positions: np.ndarray) -> pa.Array:
    sort: Any = values.type
    if pa.types.is_boolean(sort):
        return pc.invert(values)
    if pa.types.is_integer(sort):
        width: Any = sort.to_pandas_dtype()
        ends = np.iinfo(width)
        return pa.array(np.where(positions % 2, ends.max, ends.min)).cast(sort)
    if pa.types.is_floating(sort):
        return pa.array(_far(values), sort)
    if pa.types.is_string(sort) or pa.types.is_large_string(sort):
        far = positions * 1_000_003 if kind == "numeric" else [f"never seen {i}" for i in positions]
        return pa.array(far).cast(sort)
    return pa.nulls(len(values), sort)


def _far(values: pa.Array) -> np.ndarray:
    """Permuted and scaled by a million, or beyond that where nothing is there to scale."""
    found = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    found = np.nan_to_num(found, nan=1.0, posinf=1.0, neginf=-1.0)[::-1]
    return np.clip(found * 1e6 + 1e9, -1e30, 1e30)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of what differs, a feature by its name; twenty at most."""
    names: list[str] = []
    for part, value in before.items():
        if part in ("numeric", "categories"):
            one, other = ({item["name"]: item for item in side[part]} for side in (before, after))
            names += [name for name in {**one, **other} if one.get(name) != other.get(name)]
        elif value != after[part]:
            names.append(part)
    return names[:20]
