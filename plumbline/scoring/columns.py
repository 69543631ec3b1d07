"""What a source's columns must be before the first of its rows is read."""

from collections.abc import Sequence

import pyarrow as pa

from plumbline.errors import ScoringError
from plumbline.release.opened import Bundle
from plumbline.release.raw import require_columns


def require_readable(bundle: Bundle, where: str, found: pa.Schema, key: Sequence[str]) -> None:
    """Raises BundleError where a column is missing, of another type, or no key."""
    require_columns(found, bundle.manifest.inputs, bundle.schema, where=where)
    missing = [name for name in key if name not in found.names]
    if missing:
        raise ScoringError(
            f"{where}: no column {', '.join(map(repr, missing))}",
            expected=f"the key among {', '.join(found.names)}",
            remedy="correct --key",
            missing=missing,
        )
    try:
        bundle.conformed(pa.RecordBatch.from_pylist([], found), where=where)
    except pa.ArrowException as error:  # a cast that Arrow does not know
        reason = str(error).partition("\n")[0]
        raise ScoringError(
            f"{where} cannot be read as the model's columns ({reason})",
            expected=str(bundle.schema).replace("\n", ", "),
            remedy="give the columns in the types that the extract's SQL selects",
        ) from error


def require_names(kept: pa.Schema, adding: pa.Schema, where: str) -> None:
    """Raises ScoringError where two columns beside each other would have one name."""
    names = kept.names
    twice = sorted({name for name in names if names.count(name) > 1})
    taken = sorted(set(names) & set(adding.names))
    if twice or taken:
        raise ScoringError(
            f"{where} has "
            + (f"columns of the same name: {', '.join(twice)}" if twice else "")
            + (f"columns that scoring adds: {', '.join(taken)}" if taken and not twice else ""),
            expected=f"distinct columns, none of them {', '.join(adding.names)}",
            remedy="rename or drop them",
            columns=twice or taken,
        )
