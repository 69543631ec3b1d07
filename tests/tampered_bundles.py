"""Bundles that somebody with tools rewrote: sealed again, as soundly as Plumbline would."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plumbline.errors import BundleError
from plumbline.release import inventory, manifest
from plumbline.release.bundle import load_bundle
from plumbline.release.manifest import MANIFEST
from plumbline.versions import fingerprint

REMOVED = object()


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def reseal(folder: Path, **changed: Any) -> None:
    """Make the manifest agree with the files again."""
    described = replace(manifest.read(folder), **changed)
    hashes = inventory.inventory(folder, without=MANIFEST)
    text = manifest.render(replace(described, files=changed.get("files", hashes)))
    (folder / MANIFEST).write_text(text, "utf-8")


def rewrite_json(path: Path, change: Callable[[Any], None]) -> None:
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False), "utf-8")


def rewrite_manifest(folder: Path, **changed: Any) -> None:
    """Write any manifest, sealed as it should be; REMOVED removes a field."""
    content = json.loads((folder / MANIFEST).read_text("utf-8"))
    del content["sha256"]
    content = {k: v for k, v in {**content, **changed}.items() if v is not REMOVED}
    sealed = {**content, "sha256": fingerprint(manifest=content)}
    (folder / MANIFEST).write_text(json.dumps(sealed, indent=1, ensure_ascii=False) + "\n", "utf-8")


def refusal(folder: Path) -> BundleError:
    """What a load says against the bundle."""
    with pytest.raises(BundleError) as refused:
        load_bundle(folder)
    return refused.value
