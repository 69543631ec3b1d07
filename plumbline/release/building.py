"""From the evaluation's winner to a bundle in an empty folder."""

import json
from dataclasses import replace
from pathlib import Path

from plumbline.decision.decision import FILE as DECISION
from plumbline.normalization.apply import PARAMETERS
from plumbline.release import card, expectations, golden, inventory, manifest
from plumbline.release.bundle import load_bundle
from plumbline.release.description import Release, describe, raw_inputs
from plumbline.release.layout import CARD, MODEL
from plumbline.release.manifest import MANIFEST, Manifest
from plumbline.release.opened import Bundle


def build(release: Release, folder: Path) -> Bundle:
    """Write the winner's bundle into an empty folder, and load it.

    Raises:
        BundleError: what was written does not reproduce what the winner makes of the golden rows.
    """
    draft = _draft(release, folder)
    (folder / MODEL).mkdir()
    release.predictor.save(folder / MODEL)
    _write_json(folder / PARAMETERS, draft.normalization.to_json())
    _write_json(folder / DECISION, draft.decision.to_json())
    (folder / CARD).write_text(card.render(release, draft.manifest), "utf-8")
    _seal(draft.manifest, folder)
    return load_bundle(folder)


def _draft(release: Release, folder: Path) -> Bundle:
    """The bundle before it is written, but for its golden rows."""
    names = [one.name for one in raw_inputs(release.split.snapshot, release.read)]
    rows = golden.choose(release.split.validation(), names, release.spec.release.golden_rows)
    draft = Bundle(
        folder=folder,
        manifest=describe(release, golden_rows=rows.num_rows),
        schema=rows.schema,
        normalization=release.read,
        predictor=release.predictor,
        decision=release.decision,
    )
    golden.write(folder, expectations.expect(draft, rows))
    return draft


def _seal(described: Manifest, folder: Path) -> None:
    sealed = replace(described, files=inventory.inventory(folder, without=MANIFEST))
    (folder / MANIFEST).write_text(manifest.render(sealed), "utf-8")


def _write_json(path: Path, record: object) -> None:
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text, "utf-8")
