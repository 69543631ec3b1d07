"""What the rules of the audit judge: the profile, the rows behind it, and what was before."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from plumbline.audit.profile import Profile
from plumbline.extract.snapshot import Snapshot
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split

Chosen = Callable[[pa.RecordBatch], Any]
"""Whether each row of a block is concerned: boolean, as NumPy or Arrow array; NULL is no."""


class Seen(NamedTuple):
    """Rows that something is true of."""

    total: int
    rows: tuple[int, ...]
    """Positions of the first of them."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    split: Split
    spec: PipelineSpec
    profile: Profile
    root: Path
    """The project's root, which `audit.sql` is relative to."""
    previous: Mapping[str, Any] | None
    """The registry's row of the dataset version frozen before; None if there is none."""
    frozen_at: dt.datetime
    """When the rows were read."""

    @property
    def snapshot(self) -> Snapshot:
        return self.split.snapshot

    @property
    def examples(self) -> int:
        return self.spec.audit.examples

    def first(
        self, columns: Sequence[str], chosen: Chosen, side: int | None = None
    ) -> tuple[int, ...]:
        """Positions of the first rows that are `chosen`, by what stands in some columns.

        Rows of one side of the split only, if it is given: the others are not looked at.
        """
        return self._seen(columns, chosen, side, self.examples).rows

    def count(self, columns: Sequence[str], chosen: Chosen) -> Seen:
        """All rows that are `chosen`."""
        return self._seen(columns, chosen, None, None)

    def _seen(
        self, columns: Sequence[str], chosen: Chosen, side: int | None, enough: int | None
    ) -> Seen:
        count, rows, start = 0, [], 0
        for block in self.snapshot.batches(columns):
            if enough is not None and len(rows) >= enough:
                break
            stop = start + block.num_rows
            asked = np.arange(start, stop)
            if side is not None:
                asked = asked[self.split.assignment[start:stop] == side]
            part = block if side is None else block.take(asked - start)
            here = asked[_as_mask(chosen(part))]
            count += len(here)
            rows += here[: self.examples - len(rows)].tolist()
            start = stop
        return Seen(count, tuple(rows))


def _as_mask(chosen: Any) -> np.ndarray:
    if isinstance(chosen, pa.Array | pa.ChunkedArray):
        chosen = chosen.fill_null(pa.scalar(False)).to_numpy(zero_copy_only=False)
    return np.asarray(chosen, dtype=bool)
