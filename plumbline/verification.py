"""Re-hash everything that was stored for one dataset version."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plumbline import store as artifacts
from plumbline.audit.offenders import sql_fingerprint
from plumbline.chain import Chain
from plumbline.errors import PlumblineError
from plumbline.extract.digest import content_of_snapshot
from plumbline.extract.freeze import previous_version, snapshot_address
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization import apply, parameters
from plumbline.promotion.events import events
from plumbline.registry import Registry
from plumbline.release.bundle import load_bundle
from plumbline.release.scaler import require_registered
from plumbline.spec import PipelineSpec
from plumbline.stages import stages
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found of one stage."""

    stage: str
    location: Path
    status: str
    """verified, absent, or what is wrong."""

    @property
    def sound(self) -> bool:
        return self.status in ("verified", "absent")


def verify(
    spec: PipelineSpec,
    dataset_version: str,
    registry: Registry,
    store: ArtifactStore,
    root: Path = Path(),
) -> Iterator[Verified]:
    """Each stage's folder: its bytes, and for some stages its meaning too.

    The snapshot's content digest is computed anew from its rows and compared with the
    registry; the normalization, and the bundle's, are compared with the registry's row; the
    bundle's golden rows are scored. Absent means never made with the options now declared, or
    withheld. `root`: what the declaration's SQL files are relative to.
    """
    row = registry.one("dataset_versions", pipeline=spec.name, dataset_version=dataset_version)
    folder = store.folder(spec.name, "snapshot", snapshot_address(spec.name, dataset_version))
    if row is None:
        yield Verified(stage="snapshot", location=folder, status="not in the registry")
        return
    yield Verified(
        stage="snapshot", location=folder, status=_snapshot_status(folder, row["digest"])
    )
    previous = previous_version(spec.name, dataset_version, registry)
    chain = Chain(
        spec=spec,
        dataset_version=DatasetVersion(dataset_version),
        digest=row["digest"],
        previous=previous["digest"] if previous else None,
        audit_sql=sql_fingerprint(spec, root),
    )
    for stage in stages(spec):
        if stage == "promotion":
            yield from _comparisons(chain, registry, store)
            continue
        folder = store.folder(spec.name, stage, chain.version(stage))
        yield Verified(stage=stage, location=folder, status=_status(stage, folder, registry))


def _comparisons(chain: Chain, registry: Registry, store: ArtifactStore) -> Iterator[Verified]:
    """Those of the bundle, with whomever; a comparison's version names the champion, too."""
    name, bundle = chain.spec.name, chain.version("release")
    happened = [one for one in events(registry, name) if one.bundle_version == bundle]
    for version in dict.fromkeys(one.evidence.get("version") for one in happened):
        if version is not None:
            folder = store.folder(name, "promotion", version)
            status = _status("promotion", folder, registry)
            yield Verified(stage="promotion", location=folder, status=status)


def _snapshot_status(folder: Path, digest: str) -> str:
    if not folder.is_dir():
        return "missing; run the pipeline again to freeze it again from the source"
    if problems := artifacts.mismatches(folder):
        return _told(problems)
    found = content_of_snapshot(Snapshot.load(folder)).digest
    if found != digest:
        return f"content digest is {found[:12]}, the registry says {digest[:12]}"
    return "verified"


def _status(stage: str, folder: Path, registry: Registry) -> str:
    if not folder.is_dir():
        return "absent"
    try:
        if problems := artifacts.mismatches(folder):
            return _told(problems)
        if stage == "normalization":
            return _against_registry(folder, registry)
        if stage == "release":
            require_registered(load_bundle(folder / "bundle"), registry)
    except PlumblineError as error:
        return str(error)
    return "verified"


def _against_registry(folder: Path, registry: Registry) -> str:
    stored = apply.load(folder)
    row = registry.one("normalization_params", normalization_version=stored.version)
    if row is None:
        return "not in the registry"
    same = parameters.from_row(row).to_json() == stored.to_json()
    return "verified" if same else "differs from its row in normalization_params"


def _told(problems: dict[str, str]) -> str:
    return "; ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
