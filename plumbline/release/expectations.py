"""What a bundle makes of its golden rows, against what is expected: step by step.

A load compares what was transformed first, then what the model says, then how that is
calibrated, then what is answered. Each step starts from what is expected of the one before, so
the first that differs is the one that changed: the scaler, the model and its software, or the
decision.
"""

import hashlib
from typing import NoReturn

import numpy as np
import pyarrow as pa

from plumbline.errors import BundleError
from plumbline.normalization.matrix import Matrix
from plumbline.release.golden import EXPECTED, GOLDEN, Golden, differing, load
from plumbline.release.opened import Bundle
from plumbline.release.predictors import CALIBRATION, allowed, unit
from plumbline.release.provenance import otherwise

_DAMAGED = "do not use this bundle"


def transformed(matrix: Matrix) -> pa.RecordBatch:
    """A column for each that the model reads: float32 for a number, int32 for a category's code.

    An image is told by the SHA-256 of its pixels, uint8 in rows from the top.
    """
    images = {
        name: pa.array([hashlib.sha256(one.tobytes()).hexdigest() for one in pixels], pa.string())
        for name, pixels in matrix.images.items()
    }
    columns = [*map(pa.array, matrix.numeric.T), *map(pa.array, matrix.codes.T), *images.values()]
    return pa.RecordBatch.from_arrays(columns, names=[*matrix.names, *images])


def expect(bundle: Bundle, rows: pa.RecordBatch) -> Golden:
    """What the bundle makes of raw rows now.

    Raises:
        BundleError: it cannot read them.
    """
    where = str(bundle.folder / GOLDEN)
    blocks, said = [], []
    for matrix in bundle.matrices(bundle.conformed(rows, where=where), where=where):
        blocks.append(transformed(matrix))
        said.append(bundle.predictor.predict(matrix))
    model = np.concatenate(said)
    released = bundle.decision.calibrated(model)
    return Golden(
        rows=rows,
        transformed=pa.Table.from_batches(blocks).combine_chunks().to_batches()[0],
        model=model,
        released=released,
        answers=bundle.decision.outputs(released),
    )


def require_expected(bundle: Bundle, golden: Golden) -> None:
    """Refuse a bundle that makes anything else of its golden rows.

    Raises:
        BundleError: with the first row that differs, what was found and what was expected.
    """
    found = expect(bundle, golden.rows)
    _require_transformed(bundle, golden.transformed, found.transformed)
    _require_scores(bundle, golden.model, found.model)
    released = bundle.decision.calibrated(golden.model)
    _require_released(bundle, golden.released, released)
    _require_answers(bundle, golden)


def reproduces(bundle: Bundle) -> bool:
    """Whether a bundle whose predictor was exchanged still gives the golden rows' scores."""
    golden = load(bundle.folder)
    found = bundle.score(golden.rows)
    tolerance = allowed(bundle.manifest, golden.released)
    return not differing(golden.released, found, tolerance).size


def _require_transformed(bundle: Bundle, expected: pa.RecordBatch, found: pa.RecordBatch) -> None:
    if found.schema != expected.schema:
        _refuse(
            bundle,
            f"transforms its rows to {', '.join(map(str, found.schema))}",
            ", ".join(map(str, expected.schema)),
        )
    apart = {
        name: np.flatnonzero(np.asarray(was) != np.asarray(now))
        for name, was, now in zip(
            expected.schema.names, expected.columns, found.columns, strict=True
        )
    }
    wrong = {name: rows for name, rows in apart.items() if len(rows)}
    if wrong:
        feature, rows = next(iter(wrong.items()))
        row, place = int(rows[0]), expected.schema.names.index(feature)
        now, was = found.column(place)[row].as_py(), expected.column(place)[row].as_py()
        _refuse(
            bundle,
            f"transforms {feature!r} of golden row {row + 1} to {now!r} instead of {was!r}; "
            f"{len(wrong)} of {len(apart)} features differ: the scaler changed, not the model",
            f"exactly the transformed values in {EXPECTED}",
            feature=feature,
            row=row + 1,
            value=now,
            wanted=was,
            differing=list(wrong),
        )


def _require_scores(bundle: Bundle, expected: np.ndarray, found: np.ndarray) -> None:
    tolerance = allowed(bundle.manifest, expected)
    if told := _apart(bundle, expected, found, tolerance):
        _refuse(
            bundle,
            f"scores {told}: the model or its software changed, not the scaler",
            f"differences of at most {tolerance:g}",
        )


def _require_released(bundle: Bundle, expected: np.ndarray, found: np.ndarray) -> None:
    tolerance = CALIBRATION * unit(bundle.manifest, expected)
    if told := _apart(bundle, expected, found, tolerance):
        _refuse(
            bundle,
            f"calibrates {told}: the decision changed, not the model",
            f"differences of at most {tolerance:g}",
        )


def _require_answers(bundle: Bundle, golden: Golden) -> None:
    found, expected = bundle.decision.outputs(golden.released), golden.answers
    wrong = [name for name in expected.schema.names if not _same(found, expected, name)]
    if wrong or found.schema != expected.schema:
        _refuse(
            bundle,
            f"answers its golden rows otherwise in {', '.join(wrong) or 'its columns'}: the "
            "decision changed, not the model",
            f"the answers in {EXPECTED}",
            differing=wrong,
        )


def _apart(bundle: Bundle, expected: np.ndarray, found: np.ndarray, tolerance: float) -> str | None:
    """The golden row whose scores are furthest apart, if that is too far."""
    if found.shape != expected.shape:
        return f"golden rows in the shape {found.shape} instead of {expected.shape}"
    rows = differing(expected, found, tolerance)
    if not rows.size:
        return None
    distances = np.nan_to_num(np.abs(found - expected), nan=np.inf)
    row = rows[np.argmax(distances.reshape(len(found), -1).max(axis=1)[rows])]
    worst = (row, *np.unravel_index(np.argmax(distances[row]), distances[row].shape))
    of = f" for {bundle.manifest.classes[int(worst[1])]!r}" if len(worst) > 1 else ""
    return (
        f"golden row {row + 1} as {found[worst]!r}{of} instead of {expected[worst]!r}, "
        f"{distances[worst]:.3g} apart; {rows.size} of {len(expected)} rows differ"
    )


def _same(found: pa.RecordBatch, expected: pa.RecordBatch, name: str) -> bool:
    now, was = found.column(name), expected.column(name)
    if pa.types.is_floating(was.type):
        return np.allclose(np.asarray(now), np.asarray(was), rtol=CALIBRATION, atol=CALIBRATION)
    return now.equals(was)


def _refuse(bundle: Bundle, found: str, expected: str, **values: object) -> NoReturn:
    raise BundleError(
        f"the bundle in {bundle.folder} {found}",
        expected=expected,
        remedy=otherwise(_DAMAGED, bundle.manifest.environment),
        **values,
    )
