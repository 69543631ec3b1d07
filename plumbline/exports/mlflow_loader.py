"""What MLflow imports to load a bundle that was exported to it."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.release.bundle import load_bundle


class MlflowBundle:
    """A verified bundle with the method that MLflow calls."""

    def __init__(self, folder: Path) -> None:
        self.bundle = load_bundle(folder)

    def predict(self, frame: Any, params: Any = None) -> Any:  # noqa: ARG002
        """The decision's answers of a pandas DataFrame of raw rows, as another one.

        Raises:
            BundleError: a column is missing, of another type, or holds what it cannot.
        """
        rows = _rows(frame, self.bundle.schema)
        answers = self.bundle.decision.outputs(self.bundle.score(rows))
        return answers.to_pandas()


def _rows(frame: Any, wanted: pa.Schema) -> pa.RecordBatch:
    """pandas and MLflow have one type for days and moments, and no zones in the latter."""
    table = pa.Table.from_pandas(frame, preserve_index=False).combine_chunks()
    for place, field in enumerate(table.schema):
        kind = wanted.field(field.name).type if field.name in wanted.names else field.type
        if pa.types.is_timestamp(field.type) and kind != field.type:
            moments = table.column(place).cast(pa.timestamp("us", "UTC"))
            table = table.set_column(place, field.name, moments.cast(kind))
    return next(iter(table.to_batches()), pa.RecordBatch.from_pylist([], schema=table.schema))


def _load_pyfunc(path: str) -> MlflowBundle:
    return MlflowBundle(Path(path))
