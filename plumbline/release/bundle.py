"""A bundle: a folder that scores raw rows by itself, and proves on loading that it still does.

manifest.json       what it is; SHA-256 of every other file
model/              the fitted model, in its own pickle-free format
normalization.json  what turns raw rows into the model's inputs
golden.parquet      raw rows with the scores expected of them
card.md             the model card
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from plumbline.baselines.predictor import Predictor
from plumbline.errors import BundleError, NormalizationError, PlumblineError
from plumbline.evaluation.evaluate import Evaluation
from plumbline.network.diagnosis.findings import Finding
from plumbline.normalization import apply
from plumbline.normalization.parameters import Normalization
from plumbline.release import card, golden, inventory, manifest, provenance
from plumbline.release.description import describe, raw_inputs
from plumbline.release.manifest import MANIFEST, Manifest
from plumbline.release.predictors import TOLERANCE, load_predictor
from plumbline.release.raw import conform
from plumbline.spec import PipelineSpec
from plumbline.split.split import Split

log = logging.getLogger(__name__)

_CORRECT = "correct the values, or leave them NULL"

MODEL = "model"
CARD = "card.md"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle whose files were verified and whose golden rows were reproduced."""

    folder: Path
    manifest: Manifest
    schema: pa.Schema
    """The raw columns that the model reads, in its order."""
    normalization: Normalization
    predictor: Predictor

    def score(
        self, batch: pa.RecordBatch, *, where: str = "the rows", first_row: int = 1
    ) -> np.ndarray:
        """Probability of label 1 for raw rows: float64, shape (n,).

        Columns are found by name, others are ignored; NULLs and categories never seen are
        treated as in training. Messages call the rows `where`, counted from `first_row`.

        Raises:
            BundleError: a column is missing, of another type, or holds what it cannot.
        """
        rows = conform(batch, self.manifest.inputs, self.schema, where=where, first_row=first_row)
        return self.score_conformed(rows, where=where, first_row=first_row)

    def score_conformed(
        self, rows: pa.RecordBatch, *, where: str = "the rows", first_row: int = 1
    ) -> np.ndarray:
        """As `score`, for rows that `conform` returned.

        Raises:
            BundleError: a column holds what the model cannot read.
        """
        size = apply.block_rows(self.normalization)
        parts = [
            self._scores(rows.slice(at, size), where, first_row + at)
            for at in range(0, max(1, rows.num_rows), size)
        ]
        return np.concatenate(parts)

    def _scores(self, rows: pa.RecordBatch, where: str, first_row: int) -> np.ndarray:
        try:
            return self.predictor.predict(apply.transform(self.normalization, rows))
        except NormalizationError as error:
            raise BundleError(
                f"{_placed(where, error, first_row)}: {error.found}",
                expected=error.expected,
                remedy="correct the images" if "images" in error.values else _CORRECT,
                **{**error.values, **_row(error, first_row)},
            ) from error


def build(
    *,
    spec: PipelineSpec,
    split: Split,
    normalization: Normalization,
    predictor: Predictor,
    evaluation: Evaluation,
    versions: Mapping[str, str],
    test_reads: int,
    root: Path,
    folder: Path,
    findings: tuple[Finding, ...] | None = None,
) -> None:
    """Write the winner's bundle into an empty folder, and load it once.

    `versions` holds split_version, normalization_version, model_version,
    evaluation_version and bundle_version. `root` is the project's, for its git commit.
    `findings` are those of the network's diagnosis; None for a baseline.

    Raises:
        BundleError: what was written does not reproduce the predictor's scores.
    """
    if evaluation.winner != "network":
        normalization = normalization.tabular
    inputs = raw_inputs(split.snapshot, normalization)
    names = [one.name for one in inputs]
    rows = golden.choose(split.validation(), names, spec.release.golden_rows)
    golden.write(folder, rows, predictor.predict(apply.transform(normalization, rows)))
    (folder / MODEL).mkdir()
    predictor.save(folder / MODEL)
    text = json.dumps(normalization.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / apply.PARAMETERS).write_text(text, "utf-8")
    described = describe(
        spec, split.snapshot, evaluation, versions, inputs, golden_rows=rows.num_rows, root=root
    )
    facts = card.Facts(
        manifest=described,
        spec=spec,
        split=split,
        normalization=normalization,
        evaluation=evaluation,
        test_reads=test_reads,
        findings=findings,
    )
    (folder / CARD).write_text(card.render(facts), "utf-8")
    sealed = replace(described, files=inventory.inventory(folder, without=MANIFEST))
    (folder / MANIFEST).write_text(manifest.render(sealed), "utf-8")
    load_bundle(folder)


def load_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, after its files' hashes and its golden rows were checked.

    Trees must reproduce the golden scores exactly, networks to 1e-6. Hashes tell damage and
    mix-ups; they cannot tell a bundle that somebody rewrote as a whole. Nothing is unpickled,
    and no file or module is opened because the bundle names it.

    Raises:
        BundleError: a file is missing, added, changed or a link, the format is another, the
            model cannot be read, or a golden row scores differently.
    """
    described = manifest.read(folder)
    inventory.verify(folder, described.files, without=MANIFEST)
    rows, expected = golden.read(folder)
    bundle = Bundle(
        folder=folder,
        manifest=described,
        schema=rows.schema,
        normalization=_normalization(folder, described),
        predictor=_predictor(folder, described),
    )
    _require_agreement(bundle)
    _require_golden(bundle, rows, expected)
    log.info("bundle %s verifies: %d files", folder, len(described.files) + 1)
    return bundle


def _row(error: NormalizationError, first_row: int) -> dict[str, int]:
    """The row of the first value that was refused, as far as that is known."""
    place = error.values.get("place")
    return {"row": first_row + place} if isinstance(place, int) else {}


def _placed(where: str, error: NormalizationError, first_row: int) -> str:
    """Where a value stands that was refused, as far as that is known."""
    row = _row(error, first_row).get("row")
    return where if row is None else f"{where}, row {row}"


def _normalization(folder: Path, described: Manifest) -> Normalization:
    try:
        return apply.load(folder)
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(folder / apply.PARAMETERS, described, error) from error


def _predictor(folder: Path, described: Manifest) -> Predictor:
    try:
        return load_predictor(described.kind, folder / MODEL)
    except PlumblineError:
        raise
    except Exception as error:  # whatever a library says of a file it cannot read
        raise _unreadable(folder / MODEL, described, error) from error


def _unreadable(path: Path, described: Manifest, error: Exception) -> BundleError:
    return BundleError(
        f"{path} cannot be read: {error!r}",
        expected="what the release stage wrote, and the software it was written with",
        remedy=_with_environment(described, "fetch the bundle again"),
    )


def _require_agreement(bundle: Bundle) -> None:
    """The parts of a bundle must be of one another."""
    described, version = bundle.manifest, bundle.normalization.version
    declared = {one.name: one.arrow_type for one in described.inputs}
    parts = {
        golden.GOLDEN: {field.name: str(field.type) for field in bundle.schema} == declared,
        apply.PARAMETERS: version == described.versions.normalization_version
        and set(bundle.normalization.columns) == declared.keys(),
    }
    strange = [name for name, agrees in parts.items() if not agrees]
    if strange:
        raise BundleError(
            f"{' and '.join(strange)} in {bundle.folder} belong to another bundle",
            expected=f"the inputs and the normalization that {MANIFEST} names",
            remedy="fetch the bundle again from where it was released",
            strange=strange,
        )


def _require_golden(bundle: Bundle, rows: pa.RecordBatch, expected: np.ndarray) -> None:
    tolerance = TOLERANCE[bundle.manifest.kind]
    found = bundle.score(rows, where=str(bundle.folder / golden.GOLDEN))
    differing = golden.differing(expected, found, tolerance)
    if differing.size:
        worst = differing[np.argmax(np.abs(found - expected)[differing])]
        raise BundleError(
            f"the bundle in {bundle.folder} scores golden row {worst + 1} as {found[worst]!r} "
            f"instead of {expected[worst]!r}, {abs(found[worst] - expected[worst]):.3g} apart; "
            f"{differing.size} of {len(expected)} rows differ",
            expected=f"differences of at most {tolerance:g}",
            remedy=_with_environment(bundle.manifest, "do not use this bundle"),
            differing=differing.size,
        )


def _with_environment(described: Manifest, remedy: str) -> str:
    """The remedy, and what is otherwise here than where the bundle was built."""
    found = provenance.differences(described.environment)
    return f"{remedy}, or score where it was built: {found}" if found else remedy
