"""A bundle as an MLflow model: its own files, and the name of Plumbline's loader.

Nothing is pickled and no code is written: MLflow imports `plumbline.exports.mlflow_loader`, which
loads the bundle and verifies it. So Plumbline has to be installed where the model is served.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.release import golden
from plumbline.release.opened import Bundle

LOADER = "plumbline.exports.mlflow_loader"
EXAMPLE_ROWS = 5
"""Golden rows that stand in the model as an example of its input (count)."""


def write(bundle: Bundle, about: object, folder: Path) -> None:
    """Make `folder` and fill it."""
    with _quietly():
        _mlflow("pyfunc").save_model(
            str(folder),
            loader_module=LOADER,
            data_path=str(bundle.folder),
            signature=_signature(bundle),
            input_example=_frame(golden.load(bundle.folder).rows.slice(0, EXAMPLE_ROWS)),
            pip_requirements=[f"plumbline=={metadata.version('plumbline')}"],
            metadata={"plumbline": about},
        )


def reloaded(bundle: Bundle, folder: Path) -> Callable[[pa.RecordBatch], np.ndarray]:
    """What MLflow says of raw rows."""
    with _quietly():
        model: Any = _mlflow("pyfunc").load_model(str(folder))
    column = bundle.decision.schema.names[0]

    def score(rows: pa.RecordBatch) -> np.ndarray:
        with _quietly():
            found = model.predict(_frame(rows))[column]
        return np.array(found.to_list(), dtype=np.float64).reshape(_shape(bundle, len(found)))

    return score


def _frame(rows: pa.RecordBatch) -> Any:
    """As MLflow takes rows: moments with a zone are in UTC, and without it."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            moments = rows.column(place).cast(pa.timestamp("us", "UTC"))
            rows = rows.set_column(place, field.name, moments.cast(pa.timestamp("us")))
    return rows.to_pandas()


def _shape(bundle: Bundle, rows: int) -> tuple[int, ...]:
    several = bundle.decision.task in ("multiclass", "multilabel")
    return (rows, len(bundle.decision.classes)) if several else (rows,)


def _signature(bundle: Bundle) -> Any:
    """Raw rows in, answers out."""
    types = _mlflow("types")
    # Every input may be NULL.
    rows = [types.ColSpec(_input_type(one.type), one.name, required=False) for one in bundle.schema]
    answers = [types.ColSpec(_output_type(one.type), one.name) for one in bundle.decision.schema]
    return _mlflow("models").ModelSignature(
        inputs=types.Schema(rows), outputs=types.Schema(answers)
    )


def _input_type(kind: pa.DataType) -> Any:
    """A column of numbers with NULLs is of floats in pandas."""
    named, types = _mlflow("types").DataType, pa.types
    if types.is_int64(kind):
        # MLflow refuses them as double, and those with NULL, which are floats in pandas, as long.
        return _mlflow("types.schema").AnyType()
    if types.is_integer(kind) or types.is_floating(kind):
        return named.double
    if types.is_boolean(kind):
        return named.boolean
    if types.is_date(kind) or types.is_timestamp(kind):
        return named.datetime
    return named.binary if types.is_binary(kind) else named.string


def _output_type(kind: Any) -> Any:
    """Of a column of `Decision.schema`, which is of an Arrow type."""
    named, types = _mlflow("types").DataType, pa.types
    if types.is_list(kind) or types.is_fixed_size_list(kind):
        return _mlflow("types.schema").Array(_output_type(kind.value_type))
    if types.is_integer(kind):
        return named.integer
    return named.double if types.is_floating(kind) else named.string


def _mlflow(module: str) -> Any:
    """A module of MLflow's, which is not among what is always installed."""
    return import_module(f"mlflow.{module}")


@contextmanager
def _quietly() -> Iterator[None]:
    """MLflow warns of what its own libraries deprecate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
