"""Transformed rows in a file, for tables that memory does not hold."""

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.errors import StoreUnwritable
from plumbline.normalization.apply import transform
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import Rows

READ_ROWS = 65_536
"""Rows that are read at a time where all are wanted (count)."""

VALUE_BYTES = 4
"""Of a float32, and of an int32 code."""


class Scratch:
    """A file without a name: it is gone when this is, or the process."""

    def __init__(self, folder: Path):
        self._descriptor, name = tempfile.mkstemp(dir=folder)
        Path(name).unlink()

    def fileno(self) -> int:
        return self._descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True, kw_only=True)
class PreparedMatrix(Matrix):
    """A matrix in a file. `numeric` and `codes` are mapped; `take` and `read` load copies.

    Mapped pages count as this process' memory once they were touched, until the system wants
    them back; what `take` and `read` give is freed like any array.
    """

    file: Scratch

    def take(self, rows: np.ndarray | slice) -> Matrix:
        if not isinstance(rows, slice):
            return super().take(rows)
        start, stop, step = rows.indices(len(self))
        if step < 1:
            return super().take(rows)
        each = max(1, READ_ROWS // step) * step
        parts = [
            self.read(np.array([[at, min(at + each, stop)]]), step)
            for at in range(start, stop, each)
        ]
        if len(parts) == 1:
            return parts[0]
        return self._matrix(
            np.concatenate([self.numeric[:0], *(one.numeric for one in parts)]),
            np.concatenate([self.codes[:0], *(one.codes for one in parts)]),
        )

    def read(self, spans: np.ndarray, step: int = 1) -> Matrix:
        """Every `step`-th row of each span, one span after the other.

        spans: first row and the one after the last: shape (spans, 2).
        """
        return self._matrix(
            _read(self.file, 0, self.numeric, spans, step),
            _read(self.file, self.numeric.nbytes, self.codes, spans, step),
        )

    def _matrix(self, numeric: np.ndarray, codes: np.ndarray) -> Matrix:
        return Matrix(
            numeric=numeric,
            codes=codes,
            numeric_names=self.numeric_names,
            category_names=self.category_names,
        )


def row_bytes(columns: Matrix | Normalization) -> int:
    """Transformed features of one row (bytes)."""
    return VALUE_BYTES * (len(columns.numeric_names) + len(columns.category_names))


def prepared(rows: Rows, normalization: Normalization, folder: Path) -> PreparedMatrix:
    """One side of the split, transformed batch by batch into a file in `folder`.

    Raises:
        NormalizationError: as `transform`.
        StoreUnwritable: the disk has no room for it.
    """
    batches = (transform(normalization, one) for one in rows.batches(normalization.columns))
    names = normalization.numeric_names, normalization.category_names
    return written(batches, rows.count, names, folder)


def copied(matrix: Matrix, folder: Path) -> PreparedMatrix:
    """A matrix from memory in a file in `folder`; see `prepared`."""
    starts = range(0, len(matrix), READ_ROWS)
    parts = (matrix.take(slice(at, at + READ_ROWS)) for at in starts)
    return written(parts, len(matrix), (matrix.numeric_names, matrix.category_names), folder)


def written(
    parts: Iterator[Matrix],
    count: int,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    folder: Path,
) -> PreparedMatrix:
    """`count` rows, in order: all numbers, then all codes.

    names: of the numbers and of the categories.
    """
    numbers, codes = (VALUE_BYTES * count * len(some) for some in names)
    file = _reserved(folder, numbers + codes)
    at, code_at = 0, numbers
    for part in parts:
        at += _write(file, part.numeric, at)
        code_at += _write(file, part.codes, code_at)
    return PreparedMatrix(
        numeric=_mapped(file, np.float32, 0, (count, len(names[0]))),
        codes=_mapped(file, np.int32, numbers, (count, len(names[1]))),
        numeric_names=names[0],
        category_names=names[1],
        file=file,
    )


def _reserved(folder: Path, size: int) -> Scratch:
    """An empty, nameless file that has its room on the disk already."""
    kept = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    file = Scratch(folder)
    if not kept:
        folder.rmdir()
    if size > free:
        raise _full(folder, size, free)
    try:
        os.posix_fallocate(file.fileno(), 0, max(1, size))
    except OSError as error:
        raise _full(folder, size, free) from error
    return file


def _full(folder: Path, size: int, free: int) -> StoreUnwritable:
    return StoreUnwritable(
        f"the transformed rows take {size / 1e9:.2f} GB, {folder} has {free / 1e9:.2f} GB free",
        expected="room for them while the network is trained from disk",
        remedy="free disk space, point PLUMBLINE_STORE at a larger disk, or set "
        "network.feeding to memory",
        bytes=size,
        free=free,
    )


def _mapped(
    file: Scratch, kind: type[np.generic], offset: int, shape: tuple[int, int]
) -> np.ndarray:
    count = shape[0] * shape[1]
    if not count:
        return np.empty(shape, kind)
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return np.frombuffer(mapped, kind, count, offset).reshape(shape)


def _read(
    file: Scratch, offset: int, array: np.ndarray, spans: np.ndarray, step: int
) -> np.ndarray:
    """Every `step`-th of the array's rows in `spans`; the array begins at `offset` bytes."""
    width = array.shape[1]
    counts = spans[:, 1] - spans[:, 0]
    found = np.empty((int((-(-counts // step)).sum()), width), array.dtype)
    if not found.size:
        return found
    place, apart = 0, offset + spans[:, 0] * (VALUE_BYTES * width)
    for count, at in zip(counts.tolist(), apart.tolist(), strict=True):
        kept = found[place : place + -(-count // step)]
        whole = kept if step == 1 else np.empty((count, width), array.dtype)
        _fill(file, whole, at)
        if step > 1:
            kept[:] = whole[::step]
        place += len(kept)
    return found


def _write(file: Scratch, rows: np.ndarray, offset: int) -> int:
    view, done = np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data, 0
    while done < len(view):
        done += os.pwrite(file.fileno(), view[done:], offset + done)
    return done


def _fill(file: Scratch, rows: np.ndarray, offset: int) -> None:
    view, done = rows.reshape(-1).view(np.uint8).data, 0
    while done < len(view):
        # One call reads 2 GiB at most.
        got = os.preadv(file.fileno(), [view[done:]], offset + done)
        if not got:
            raise OSError(f"the file of transformed rows ends at {offset + done} bytes")
        done += got
