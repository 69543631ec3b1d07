"""A bundle: a folder that scores raw rows by itself, and proves on loading that it still does.

manifest.json       what it is; SHA-256 of every other file
model/              the fitted model, in its own pickle-free format
normalization.json  what turns raw rows into the model's inputs
decision.json       what turns the model's scores into answers
golden.parquet      raw rows
expected.parquet    what is to be made of them, step by step
card.md             the model card
signature.json      who released it, where it is signed
"""

import json
import logging
from dataclasses import replace
from pathlib import Path

from plumbline.baselines.predictor import Predictor
from plumbline.decision.decision import FILE as DECISION
from plumbline.decision.decision import Decision
from plumbline.errors import BundleError, DecisionError, PlumblineError
from plumbline.normalization import apply
from plumbline.normalization.parameters import Normalization
from plumbline.release import expectations, golden, inventory, layout, manifest
from plumbline.release.agreement import require_agreement
from plumbline.release.archive import opened
from plumbline.release.layout import MODEL
from plumbline.release.manifest import MANIFEST, Manifest
from plumbline.release.opened import Bundle
from plumbline.release.predictors import load_predictor
from plumbline.release.provenance import otherwise
from plumbline.release.signature import SIGNATURE

log = logging.getLogger(__name__)


def load_bundle(path: Path, *, public_key: str | None = None) -> Bundle:
    """The bundle at `path`, after its files' hashes and its golden rows were checked.

    path: its folder, or an archive of it. public_key: of whoever must have signed it.

    Trees must reproduce the golden scores exactly, networks to 1e-6. Hashes tell damage and
    mix-ups; they cannot tell a bundle that somebody rewrote as a whole, which a signature can.
    Nothing is unpickled, and no file or module is opened because the bundle names it.

    Raises:
        BundleError: a file is missing, added, changed, a link or none of a bundle's; the format
            is another; the signature does not fit, or is absent though a key is given; a file
            cannot be read; or a golden row is transformed, scored or answered otherwise.
    """
    with opened(path, public_key=public_key) as folder:
        bundle = _loaded(folder)
    return bundle if folder == path else replace(bundle, folder=path)


def _loaded(folder: Path) -> Bundle:
    described = manifest.read(folder)
    layout.require_known(folder, described)
    inventory.verify(folder, described.files, without=(MANIFEST, SIGNATURE))
    known = golden.load(folder)
    bundle = Bundle(
        folder=folder,
        manifest=described,
        schema=known.rows.schema,
        normalization=_normalization(folder, described),
        predictor=_predictor(folder, described),
        decision=_decision(folder, described),
    )
    require_agreement(bundle)
    expectations.require_expected(bundle, known)
    log.info("bundle %s verifies: %d files", folder, len(described.files) + 1)
    return bundle


def _normalization(folder: Path, described: Manifest) -> Normalization:
    try:
        return apply.load(folder)
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(folder / apply.PARAMETERS, described, error) from error


def _decision(folder: Path, described: Manifest) -> Decision:
    path = folder / DECISION
    try:
        return Decision.from_json(json.loads(path.read_text("utf-8")))
    except (ValueError, DecisionError) as error:
        raise _unreadable(path, described, error) from error


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
        remedy=otherwise("fetch the bundle again", described.environment),
    )
