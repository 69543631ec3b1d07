"""Transformed rows in a file, for tables that memory does not hold."""

import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from plumbline.errors import StoreUnwritable
from plumbline.normalization.apply import matrices
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.split.rows import Rows

READ_ROWS, READ_BYTES = 65_536, 64 * 2**20
"""What is read at a time where all rows are wanted, at most (count, and bytes)."""

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
    """A matrix in a file. Its arrays are mapped; `take` and `read` load copies.

    Mapped pages count as this process' memory once they were touched, until the system wants
    them back; what `take` and `read` give is freed like any array.
    """

    file: Scratch

    def take(self, rows: np.ndarray | slice) -> Matrix:
        if not isinstance(rows, slice):
            return self._scattered(np.arange(len(self))[rows])
        start, stop, step = rows.indices(len(self))
        if step < 1:
            return super().take(rows)
        each = max(1, self._at_a_time // step) * step
        return self._joined(
            [
                self.read(np.array([[at, min(at + each, stop)]]), step)
                for at in range(start, stop, each)
            ]
        )

    def _scattered(self, places: np.ndarray) -> Matrix:
        """Rows in any order; of what is read with them no more is held than `take` reads."""
        sought, back = np.unique(places, return_inverse=True)
        ends = range(self._at_a_time, len(self), self._at_a_time)
        parts = [
            self.read(np.array([[some[0], some[-1] + 1]])).take(some - some[0])
            for some in np.split(sought, np.searchsorted(sought, ends))
            if len(some)
        ]
        found = self._joined(parts)
        return found if np.array_equal(sought, places) else found.take(back)

    @property
    def _at_a_time(self) -> int:
        """Rows (count)."""
        return max(1, min(READ_ROWS, READ_BYTES // max(1, row_bytes(self))))

    def _joined(self, parts: Sequence[Matrix]) -> Matrix:
        if len(parts) == 1:
            return parts[0]
        none = [one[:0] for one in _arrays(self)]
        together = zip(none, *map(_arrays, parts), strict=True)
        return self._matrix([np.concatenate(some) for some in together])

    def read(self, spans: np.ndarray, step: int = 1) -> Matrix:
        """Every `step`-th row of each span, one span after the other.

        spans: first row and the one after the last: shape (spans, 2).
        """
        offset, found = 0, []
        for one in _arrays(self):
            found.append(_read(self.file, offset, one, spans, step))
            offset += one.nbytes
        return self._matrix(found)

    def without_images(self) -> "PreparedMatrix":
        """The same numbers and codes; they stand before the images in the file."""
        return replace(self, images={})

    def _matrix(self, arrays: Sequence[np.ndarray]) -> Matrix:
        """A matrix of arrays in the order of `_arrays`."""
        return Matrix(
            numeric=arrays[0],
            codes=arrays[1],
            numeric_names=self.numeric_names,
            category_names=self.category_names,
            images=dict(zip(self.images, arrays[2:], strict=True)),
        )


def _arrays(matrix: Matrix) -> list[np.ndarray]:
    """In the order in which they stand in a file."""
    return [matrix.numeric, matrix.codes, *matrix.images.values()]


def row_bytes(columns: Matrix | Normalization) -> int:
    """Transformed features of one row (bytes)."""
    values = VALUE_BYTES * (len(columns.numeric_names) + len(columns.category_names))
    if isinstance(columns, Matrix):
        return values + columns.image_bytes
    return values + sum(one.bytes for one in columns.images)


def prepared(rows: Rows, normalization: Normalization, folder: Path) -> PreparedMatrix:
    """One side of the split, transformed batch by batch into a file in `folder`.

    Raises:
        NormalizationError: as `transform`.
        StoreUnwritable: the disk has no room for it.
    """
    names = normalization.numeric_names, normalization.category_names
    shapes = {one.name: one.shape for one in normalization.images}
    return written(matrices(rows, normalization), rows.count, names, folder, shapes)


def copied(matrix: Matrix, folder: Path) -> PreparedMatrix:
    """A matrix from memory in a file in `folder`; see `prepared`."""
    starts = range(0, len(matrix), READ_ROWS)
    parts = (matrix.take(slice(at, at + READ_ROWS)) for at in starts)
    names = matrix.numeric_names, matrix.category_names
    return written(parts, len(matrix), names, folder, matrix.image_shapes)


def written(
    parts: Iterator[Matrix],
    count: int,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    folder: Path,
    images: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
) -> PreparedMatrix:
    """`count` rows, in order: all numbers, then all codes, then the images of each column.

    names: of the numbers and of the categories. images: shape of one, by column.
    """
    kinds = [np.dtype(np.float32), np.dtype(np.int32), *[np.dtype(np.uint8)] * len(images)]
    shapes = [(count, len(names[0])), (count, len(names[1]))]
    shapes += [(count, *shape) for shape in images.values()]
    sizes = [one.itemsize * math.prod(shape) for one, shape in zip(kinds, shapes, strict=True)]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    file = _reserved(folder, sum(sizes))
    _write_all(file, parts, starts)
    mapped = [_mapped(file, *one) for one in zip(kinds, starts, shapes, strict=True)]
    return PreparedMatrix(
        numeric=mapped[0],
        codes=mapped[1],
        numeric_names=names[0],
        category_names=names[1],
        images=dict(zip(images, mapped[2:], strict=True)),
        file=file,
    )


def _write_all(file: Scratch, parts: Iterator[Matrix], starts: Sequence[int]) -> None:
    """One part after the other, each array of theirs from its own start on."""
    at = list(starts)
    for part in parts:
        for place, one in enumerate(_arrays(part)):
            at[place] += _write(file, one, at[place])


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
        expected="room for them while a model is trained from disk",
        remedy="free disk space, point PLUMBLINE_STORE at a larger disk, or let them lie in "
        "memory: a larger resources.memory_gib, for a network network.feeding: memory",
        bytes=size,
        free=free,
    )


def _mapped(file: Scratch, kind: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    if not count:
        return np.empty(shape, kind)
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return np.frombuffer(mapped, kind, count, offset).reshape(shape)


def _read(
    file: Scratch, offset: int, array: np.ndarray, spans: np.ndarray, step: int
) -> np.ndarray:
    """Every `step`-th of the array's rows in `spans`; the array begins at `offset` bytes."""
    shape = array.shape[1:]
    counts = spans[:, 1] - spans[:, 0]
    found = np.empty((int((-(-counts // step)).sum()), *shape), array.dtype)
    if not found.size:
        return found
    place, apart = 0, offset + spans[:, 0] * (array.itemsize * math.prod(shape))
    for count, at in zip(counts.tolist(), apart.tolist(), strict=True):
        kept = found[place : place + -(-count // step)]
        whole = kept if step == 1 else np.empty((count, *shape), array.dtype)
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
