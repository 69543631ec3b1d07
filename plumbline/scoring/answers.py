"""What scoring adds to a row: the answer, and the versions that made it."""

import pyarrow as pa

from plumbline.release.opened import Bundle

VERSIONS = ("model_version", "dataset_version", "normalization_version")


def added(bundle: Bundle) -> pa.Schema:
    """The columns that scoring adds: those of the decision, then `VERSIONS`."""
    return pa.schema([*bundle.decision.schema, *_versions()])


def beside(kept: pa.RecordBatch, answers: pa.RecordBatch, bundle: Bundle) -> pa.RecordBatch:
    """`answers` and the bundle's versions to the right of `kept`; both have the same rows."""
    versions = vars(bundle.manifest.versions)
    columns = [pa.repeat(pa.scalar(versions[name]), kept.num_rows) for name in VERSIONS]
    schema = pa.schema([*kept.schema, *answers.schema, *_versions()])
    return pa.RecordBatch.from_arrays([*kept.columns, *answers.columns, *columns], schema=schema)


def _versions() -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in VERSIONS]
