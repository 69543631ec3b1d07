"""Each exercise: a guard, what is put before it, and what it said."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plumbline import store as artifacts
from plumbline.drill.ground import Ground
from plumbline.errors import ArtifactCorrupt, LeakageError, VersionConflict
from plumbline.extract.features import FeatureTable
from plumbline.extract.freeze import freeze
from plumbline.extract.query import Query
from plumbline.extract.snapshot import DATA
from plumbline.normalization import cross_check, leakage
from plumbline.normalization.fit import fit
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import TrainRows
from plumbline.versions import NormalizationVersion

Said = str | None
"""What a guard said; None when it was silent."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    guard: str
    injection: str
    injected: Callable[[Ground, Path], Said]
    """Inject into a copy below a folder of its own; what the guard says of it."""
    untouched: Callable[[Ground], Said]
    """What the guard says of the data as it is."""


def fitted_on_all_rows(ground: Ground, folder: Path) -> Said:  # noqa: ARG001
    def leaky(
        train: TrainRows,
        features: FeatureTable,
        options: NormalizationSpec,
        version: NormalizationVersion,
    ) -> Normalization:
        everything = np.zeros_like(train.assignment)
        leaking = replace(ground.split, snapshot=train.snapshot, assignment=everything)
        return fit(leaking.train(), features, options, version)

    fitted = leaky(
        ground.split.train(),
        ground.features,
        ground.spec.normalization,
        ground.normalization.version,
    )
    return _proof(ground, fitted, leaky)


def fitted_on_training_rows(ground: Ground) -> Said:
    return _proof(ground, ground.normalization, fit)


def fitted_on_validation_rows(ground: Ground, folder: Path) -> Said:  # noqa: ARG001
    rows = ground.split.validation()
    try:
        fit(rows, ground.features, ground.spec.normalization, ground.normalization.version)  # pyright: ignore[reportArgumentType]
    except LeakageError as error:
        return str(error)
    return None


def mean_that_is_off(ground: Ground, folder: Path) -> Said:  # noqa: ARG001
    first, *rest = ground.normalization.numeric
    off = replace(first, mean=first.mean + first.std / 1000)
    return _measured(ground, replace(ground.normalization, numeric=(off, *rest)))


def duplicate_in_test(ground: Ground, folder: Path) -> Said:
    return _certified(ground.with_duplicate(folder))


def straddling_group(ground: Ground, folder: Path) -> Said:
    return _certified(ground.with_groups(folder))


def edited_byte(ground: Ground, folder: Path) -> Said:
    shutil.copytree(ground.snapshot.folder, folder)
    path = folder / DATA
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    return _verified(folder)


def changed_sql(ground: Ground, folder: Path) -> Said:  # noqa: ARG001
    query = _query(ground)
    body = query.text[query.statement.body]
    return _frozen(ground, replace(query, text=f"SELECT * FROM (\n{body}\n) AS changed"))


def _proof(ground: Ground, fitted: Normalization, fitting: leakage.Fit) -> Said:
    proof = leakage.prove(
        ground.split, ground.features, ground.spec.normalization, fitted, fitting=fitting
    )
    return None if proof.passed else f"parameters differ: {proof.evidence['differing']}"


def _measured(ground: Ground, normalization: Normalization) -> Said:
    measured = cross_check.measure(ground.snapshot, ground.assignment, normalization)
    found = cross_check.compare(normalization, measured)
    return None if found.passed else found.told


def _certified(ground: Ground) -> Said:
    return "; ".join(ground.problems) or None


def _verified(folder: Path) -> Said:
    try:
        artifacts.verify(folder)
    except ArtifactCorrupt as error:
        return str(error)
    return None


def _query(ground: Ground) -> Query:
    snapshot = ground.snapshot
    return Query(file=ground.spec.source.sql, text=snapshot.query, parameters=snapshot.parameters)


def _frozen(ground: Ground, query: Query) -> Said:
    try:
        freeze(
            ground.spec,
            dataset_version=ground.snapshot.dataset_version,
            query=query,
            postgres=ground.postgres,
            registry=ground.registry,
            store=ground.store,
        )
    except VersionConflict as error:
        return str(error)
    return None


EXERCISES = (
    Exercise(
        guard="leakage proof",
        injection="a scaler fitted on all rows",
        injected=fitted_on_all_rows,
        untouched=fitted_on_training_rows,
    ),
    Exercise(
        guard="training rows only",
        injection="a scaler given the validation rows",
        injected=fitted_on_validation_rows,
        untouched=fitted_on_training_rows,
    ),
    Exercise(
        guard="independent statistics",
        injection="a mean that is off by a thousandth of the spread",
        injected=mean_that_is_off,
        untouched=lambda ground: _measured(ground, ground.normalization),
    ),
    Exercise(
        guard="certificate: duplicates",
        injection="a test row with the features of a training row",
        injected=duplicate_in_test,
        untouched=_certified,
    ),
    Exercise(
        guard="certificate: groups",
        injection="groups of three rows that straddle the split",
        injected=straddling_group,
        untouched=_certified,
    ),
    Exercise(
        guard="artifact hashes",
        injection="one bit of the snapshot's file flipped",
        injected=edited_byte,
        untouched=lambda ground: _verified(ground.snapshot.folder),
    ),
    Exercise(
        guard="version binding",
        injection="the extract's SQL changed under the same dataset version",
        injected=changed_sql,
        untouched=lambda ground: _frozen(ground, _query(ground)),
    ),
)
