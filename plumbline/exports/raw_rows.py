"""What an exported graph is given: a vector for each raw column that the model reads."""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from plumbline.errors import BundleError
from plumbline.extract.images import ImageColumn, pixels
from plumbline.normalization.columns import number, texts, type_named
from plumbline.normalization.parameters import Normalization
from plumbline.release.opened import Bundle

NULL = "\\N"
"""Stands for NULL among a category's texts, as in PostgreSQL's COPY. NULL numbers are NaN."""

OUTPUTS = ("score", "scores", "predicted")
"""Names of what a graph answers with; no input has one of them."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TEXTS = ("string", "int64", "bool", "date32[day]")
"""Types of categories whose texts anybody writes alike; see `docs/exports.md`."""


@dataclass(frozen=True, kw_only=True)
class RawInput:
    """A raw column as a graph reads it."""

    column: str
    name: str
    """Of the graph's input: the column's own, where every format can hold it."""
    kind: Literal["number", "category", "image"]
    shape: tuple[int, ...] = ()
    """Of one row: height, width and channels of an image."""

    @property
    def dtype(self) -> str:
        return {"number": "float64", "category": "string", "image": "uint8"}[self.kind]

    def record(self, postgres_type: str) -> dict[str, object]:
        """For people who call the graph; JSON types."""
        null = {"number": "NaN", "category": NULL, "image": None}[self.kind]
        return {
            "input": self.name,
            "column": self.column,
            "postgres_type": postgres_type,
            "dtype": self.dtype,
            "shape": [None, *self.shape],
            "null": null,
        }


def raw_inputs(bundle: Bundle) -> tuple[RawInput, ...]:
    """The inputs of a graph, in the bundle's order.

    Raises:
        BundleError: a category's values have no texts that everybody writes alike.
    """
    normalization = bundle.normalization
    for vocabulary in normalization.categories:
        _require_texts(vocabulary.name, vocabulary.arrow_type, vocabulary.values)
    columns = [one.name for one in bundle.manifest.inputs]
    images = {one.name: one for one in normalization.images}
    return tuple(
        RawInput(
            column=column,
            name=name,
            kind=_kind(column, normalization),
            shape=images[column].shape if column in images else (),
        )
        for column, name in zip(columns, names(columns), strict=True)
    )


def names(columns: Sequence[str]) -> list[str]:
    """Names of inputs that every format can hold: the columns' own, else column_1 and so on."""
    plain = {one for one in columns if _is_plain(one)}
    made: list[str] = []
    for place, column in enumerate(columns, 1):
        name = column if column in plain else f"column_{place}"
        while column not in plain and name in plain:
            name += "_"
        made.append(name)
    return made


def feeds(bundle: Bundle, inputs: Sequence[RawInput], batch: pa.RecordBatch) -> dict:
    """Raw rows as a graph reads them: an array for each input, shape (n,) or an image's.

    Raises:
        BundleError, NormalizationError: the bundle cannot read the rows.
    """
    rows = bundle.conformed(batch)
    normalization = bundle.normalization
    kinds = {one.name: one.arrow_type for one in normalization.categories}
    images = {one.name: one for one in normalization.images}
    return {one.name: _values(rows, one, kinds, images) for one in inputs}


def _values(
    rows: pa.RecordBatch,
    one: RawInput,
    kinds: Mapping[str, str],
    images: Mapping[str, ImageColumn],
) -> np.ndarray:
    if one.kind == "number":
        return number(rows, one.column)
    if one.kind == "image":
        return pixels(rows.column(one.column), images[one.column])
    found = texts(rows, one.column, type_named(kinds[one.column]))
    return found.fill_null(NULL).to_numpy(zero_copy_only=False)


def _kind(column: str, normalization: Normalization) -> Literal["number", "category", "image"]:
    if column in normalization.number_columns:
        return "number"
    return "category" if column in normalization.category_names else "image"


def _is_plain(name: str) -> bool:
    """Whether TensorFlow takes it as the name of an argument, and no output has it."""
    fits = _PLAIN.fullmatch(name) is not None and not keyword.iskeyword(name)
    return fits and name not in OUTPUTS and name != "self"


def _require_texts(name: str, arrow_type: str, values: Sequence[str]) -> None:
    if arrow_type not in _TEXTS:
        raise BundleError(
            f"category {name!r} holds values of {arrow_type}, and programs write them as text in "
            "different ways",
            expected=f"categories of {', '.join(_TEXTS)}",
            remedy=f"cast {name!r} to text in the extract's SQL, and release the model again",
            column=name,
        )
    if NULL in values:
        raise BundleError(
            f"category {name!r} has the value {NULL!r}, which stands for NULL in an export",
            expected="another value",
            remedy="replace it in the extract's SQL, and release the model again",
            column=name,
        )
