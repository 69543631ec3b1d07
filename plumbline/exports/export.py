"""One bundle into one format: written beside its place, checked, and only then there."""

from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from plumbline.errors import BundleError
from plumbline.exports.checking import require_agreement
from plumbline.exports.keras_core import require_tensorflow
from plumbline.exports.raw_rows import RawInput, raw_inputs
from plumbline.network.predictor import KerasPredictor
from plumbline.release import golden
from plumbline.release.archive import opened
from plumbline.release.bundle import load_bundle
from plumbline.release.drafts import drafted
from plumbline.release.golden import Golden
from plumbline.release.opened import Bundle

Format = Literal["saved_model", "onnx", "mlflow"]
FORMATS: tuple[Format, ...] = get_args(Format)

TOLERANCE = 1e-6
"""Largest difference from the bundle's golden scores; of a regression's numbers, as a share of
the largest one."""

_PACKAGES: dict[Format, tuple[str, ...]] = {
    "saved_model": ("tensorflow",),
    "onnx": ("onnx", "onnxruntime"),
    "mlflow": ("mlflow",),
}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    kind: str
    """Of the model."""
    rows: int
    """Golden rows that were compared (count)."""
    apart: float
    """Largest difference of a score."""


def export(path: Path, to: Format, target: Path, *, public_key: str | None = None) -> Exported:
    """Write the bundle at `path`, a folder or an archive, in another format.

    The files are read back and must say of the golden rows what the bundle says, of all at
    once, of one, of none, and of many; else nothing is left at `target`.

    Raises:
        BundleError: the bundle does not verify; the format cannot hold the model, or a package
            for it is missing; the export differs; or `target` is there already.
    """
    _require_packages(to, *_PACKAGES[to])
    with (
        opened(path, public_key=public_key) as folder,
        drafted(target) as draft,
    ):
        bundle = load_bundle(folder)
        return checked(bundle, golden.load(folder), to, draft)


def checked(bundle: Bundle, known: Golden, to: Format, draft: Path) -> Exported:
    """Write an open bundle to `draft`, and read it back.

    Raises:
        BundleError: as `export`; the caller removes what was written.
    """
    if to != "mlflow" and isinstance(bundle.predictor, KerasPredictor):
        require_tensorflow()
        if to == "onnx":
            _require_packages(to, "tf2onnx")
    writer = import_module(f"plumbline.exports.{_MODULES[to]}")
    writer.write(bundle, about(bundle, () if to == "mlflow" else raw_inputs(bundle)), draft)
    score = writer.reloaded(bundle, draft)
    apart = require_agreement(score, known, bundle.manifest, TOLERANCE, to)
    return Exported(kind=bundle.manifest.kind, rows=known.rows.num_rows, apart=apart)


def about(bundle: Bundle, inputs: tuple[RawInput, ...]) -> dict[str, Any]:
    """What whoever calls an export has to know; JSON types."""
    described = bundle.manifest
    types = {one.name: one.postgres_type for one in described.inputs}
    return {
        "pipeline": described.pipeline,
        "task": described.task,
        "kind": described.kind,
        "versions": asdict(described.versions),
        "inputs": [one.record(types[one.column]) for one in inputs],
        "decision": bundle.decision.to_json(),
    }


_MODULES: dict[Format, str] = {
    "saved_model": "saved_model",
    "onnx": "onnx_model",
    "mlflow": "mlflow_model",
}


def _require_packages(to: Format, *names: str) -> None:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        extra = "mlflow" if to == "mlflow" else "exports"
        raise BundleError(
            f"{' and '.join(missing)} is not installed, which an export to {to} needs",
            expected=f"Plumbline with its extra {extra!r}",
            remedy=f"pip install 'plumbline[{extra}]'",
            missing=missing,
        )
