"""Rows of one side of a split. Only this package can make them.

What fits anything takes `TrainRows`; so a fit on validation or test rows does not
type-check, and does not run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from plumbline.errors import LeakageError
from plumbline.extract.labels import LabelCoding
from plumbline.extract.snapshot import BLOCK_ROWS, Snapshot
from plumbline.split import weights

TRAIN, VAL, TEST, EXCLUDED = 0, 1, 2, 3
"""Codes of the assignment array, the sides in their order. Excluded rows are on no side."""

SIDES = {"train": TRAIN, "val": VAL, "test": TEST}
"""Codes of the sides by the names that people read and write."""

NAMES = (*SIDES, "excluded")
"""What is written of a row, by its code."""

_LABELS = {
    "binary": np.int8,
    "multiclass": np.int16,
    "multilabel": np.int8,
    "regression": np.float64,
}

_mint = object()


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a snapshot that are on one side, in the snapshot's order."""

    side: ClassVar[int]

    snapshot: Snapshot
    assignment: np.ndarray
    """Code of every row of the snapshot: int8, shape (snapshot.rows,)."""
    coding: LabelCoding
    weight: str | None = None
    """The column that says what a row counts for; None: all alike."""
    group: str | None = None
    """The column whose equal values hang together; None: rows are independent."""
    minted: InitVar[object]
    """Checked, never kept: rows cannot be made from other rows."""

    def __post_init__(self, minted: object) -> None:
        if minted is not _mint:
            raise LeakageError(
                f"{type(self).__name__} was made outside plumbline.split",
                expected="rows handed out by Split.train(), Split.validation() or open_test()",
                remedy="take the rows from the split",
            )

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.assignment == self.side))

    def batches(
        self, columns: Sequence[str] | None = None, rows: int = BLOCK_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """This side's rows in order, from blocks of `rows` snapshot rows; none is empty."""
        start = 0
        for batch in self.snapshot.batches(columns, rows):
            here = self.assignment[start : start + batch.num_rows] == self.side
            start += batch.num_rows
            if here.all():
                yield batch
            elif here.any():
                yield batch.filter(pa.array(here))

    def labels(self) -> np.ndarray:
        """Labels of this side in order, shape (count,); for multilabel (count, labels).

        int8 for the binary task and multilabel, int16 codes of `coding.classes` for
        multiclass, float64 for regression.
        """
        kind, columns = _LABELS[self.coding.task], self.coding.columns(self.snapshot.label)
        shape = (0, len(columns))[: 1 + (self.coding.task == "multilabel")]
        parts = [self.coding.read(batch) for batch in self.batches(columns)]
        return np.concatenate([np.empty(shape, kind), *parts], dtype=kind)

    def weights(self) -> np.ndarray | None:
        """What each row of this side counts for, in order: float32, shape (count,).

        None where no column says so.

        Raises:
            SplitError: a weight is none.
        """
        if self.weight is None:
            return None
        parts = [weights.numbers(one.column(0), self.weight) for one in self.batches([self.weight])]
        return np.concatenate([np.empty(0), *parts]).astype(np.float32)

    def groups(self) -> np.ndarray | None:
        """Which group each row of this side is of, in order: codes from 0, shape (count,).

        None where no column says so.
        """
        if self.group is None:
            return None
        parts = [one.column(0) for one in self.batches([self.group])]
        if not parts:
            return np.empty(0, np.int64)
        encoded: Any = pa.chunked_array(parts).combine_chunks().dictionary_encode()
        return encoded.indices.to_numpy().astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class TrainRows(Rows):
    """The only rows anything may be fitted on."""

    side: ClassVar[int] = TRAIN


@dataclass(frozen=True, kw_only=True)
class ValRows(Rows):
    """Rows to choose by: early stopping, thresholds, the better baseline."""

    side: ClassVar[int] = VAL


@dataclass(frozen=True, kw_only=True)
class TestRows(Rows):
    """Rows to judge by. Handed out only by `open_test`, which counts the reading first."""

    __test__: ClassVar[bool] = False  # not a test class, whatever its name suggests to pytest
    side: ClassVar[int] = TEST
