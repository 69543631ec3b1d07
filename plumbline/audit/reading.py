"""One pass over a snapshot: each column is read once, counted in full and sampled."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from plumbline.audit import order
from plumbline.audit.distributions import Measure
from plumbline.audit.profile import FEATURE, ColumnProfile, Kind, Profile
from plumbline.audit.rowhash import RowHashes, fixed_width
from plumbline.audit.sample import Sample, draw
from plumbline.audit.tallies import NumberTally, TextTally
from plumbline.extract.features import feature_table
from plumbline.extract.snapshot import BLOCK_ROWS, DATA, Column, Snapshot
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split

_ENDS = {"low": "min", "high": "max"}


def profile(split: Split, spec: PipelineSpec) -> Profile:
    """Read every column once, as many at a time as there are cores, block by block.

    Memory is one block and one sampled column per core, and a hash per row.

    Raises:
        LabelViolation: a training row's label is none that was declared.
    """
    reader = _Reader.over(split, spec)
    columns = split.snapshot.columns
    with ThreadPoolExecutor(_cores()) as pool:
        read = tuple(pool.map(reader.read, columns, range(len(columns))))
    reader.hashes.add_texts(split.snapshot, [c.name for c in read if reader.is_hashed_apart(c)])
    return Profile(
        columns=read,
        sample=reader.sample,
        drift=order.drift(reader.sample.labels),
        hashes=reader.hashes,
        shift_rate=reader.measure.rate,
    )


@dataclass(frozen=True, kw_only=True)
class _Reader:
    snapshot: Snapshot
    spec: PipelineSpec
    sample: Sample
    hashes: RowHashes
    kinds: dict[str, str]
    """Kinds of the features by name."""
    ignored: dict[str, str]
    """Why the other columns are none, by name."""
    metadata: pq.FileMetaData
    schema: pa.Schema
    measure: Measure

    @classmethod
    def over(cls, split: Split, spec: PipelineSpec) -> "_Reader":
        table = feature_table(split.snapshot, spec)
        metadata = pq.read_metadata(split.snapshot.folder / DATA)
        sample = draw(split, spec)
        return cls(
            snapshot=split.snapshot,
            spec=spec,
            sample=sample,
            hashes=RowHashes(split.snapshot.rows),
            kinds={feature.name: feature.kind for feature in table.features},
            ignored=table.ignored,
            metadata=metadata,
            schema=metadata.schema.to_arrow_schema(),
            measure=Measure(
                sample=sample,
                rate=spec.audit.false_alarm_rate / (2 * len(table.features)),
                examples=spec.audit.examples,
            ),
        )

    def is_hashed_apart(self, column: ColumnProfile) -> bool:
        """Whether the column is a feature of which the pass took no hash: text."""
        return column.is_feature and not fixed_width(self.schema.field(column.name).type)

    def read(self, column: Column, number: int) -> ColumnProfile:
        kind = self._kind(column)
        found = ColumnProfile(
            name=column.name,
            postgres_type=column.postgres_type,
            kind=kind,
            role=FEATURE if column.name in self.kinds else self.ignored[column.name],
            rows=self.snapshot.rows,
            nulls=column.nulls,
        )
        if kind == "numeric":
            return self._numeric(column, number, found)
        if kind == "category":
            return self._category(column, number, found)
        return self._moments(found) if kind == "moment" else found

    def _kind(self, column: Column) -> Kind:
        """How a column is counted. The label is not: its test rows are looked at elsewhere."""
        stored = self.schema.field(column.name).type
        if column.name in self.kinds:
            return "numeric" if self.kinds[column.name] == "numeric" else "category"
        if column.name in self.spec.source.label_columns:
            return "other"
        if pa.types.is_temporal(stored):
            return "moment"
        if fixed_width(stored):
            return "numeric"
        # The text of a key differs in every row; counting it would tell nothing.
        text = pa.types.is_string(stored) and column.name not in self.spec.source.key
        return "category" if text else "other"

    def _numeric(self, column: Column, number: int, found: ColumnProfile) -> ColumnProfile:
        decimal = pa.types.is_string(self.schema.field(column.name).type)
        tally, sampled = NumberTally(exact=decimal), []
        for start, values, part in self._blocks(column.name):
            tally.see(values, as_float(values.drop_null() if values.null_count else values))
            sampled.append(as_float(values.take(part)))
            if found.is_feature and not decimal:
                self.hashes.add(number, start, values)
        found = replace(found, numbers=tally.facts, distinct=tally.distinct.facts)
        return self.measure.numbers(found, np.concatenate(sampled))

    def _category(self, column: Column, number: int, found: ColumnProfile) -> ColumnProfile:
        tally, sampled = TextTally(), []
        for start, values, part in self._blocks(column.name):
            texts = values.cast(pa.string())
            tally.see(texts.drop_null())
            sampled.append(texts.take(part))
            if found.is_feature and fixed_width(values.type):
                self.hashes.add(number, start, values)
        found = replace(found, texts=tally.facts, distinct=tally.distinct.facts)
        return self.measure.categories(found, pa.concat_arrays(sampled))

    def _moments(self, found: ColumnProfile) -> ColumnProfile:
        ends: list[pa.Scalar] = []
        for _, values, _ in self._blocks(found.name):
            ends += [pc.min_max(values)[name] for name in ("min", "max")]
        known = [end for end in ends if end.is_valid]
        if not known:
            return found
        both = pc.min_max(pa.array(known, known[0].type))
        return replace(
            found, **{name: both[end].cast(pa.string()).as_py() for name, end in _ENDS.items()}
        )

    def _blocks(self, name: str) -> Iterator[tuple[int, pa.Array, np.ndarray]]:
        """First row, values, and places of the sampled rows, of each block of one column."""
        start, parts = 0, self.sample.parts(BLOCK_ROWS)
        path = self.snapshot.folder / DATA
        with pq.ParquetFile(path, metadata=self.metadata, pre_buffer=False) as file:
            for block in file.iter_batches(BLOCK_ROWS, columns=[name], use_threads=False):
                yield start, block.column(0), next(parts)
                start += block.num_rows


def as_float(values: pa.Array) -> np.ndarray:
    """Numbers, booleans or decimal text as float64, NULL as NaN."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _cores() -> int:
    """Processors that this process may use (count)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
