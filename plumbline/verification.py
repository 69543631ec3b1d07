"""Re-hash everything that was stored for one dataset version."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    location: str
    """A path or a URL."""
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
    address = snapshot_address(spec.name, dataset_version)
    place = _Place(store, (spec.name, "snapshot", address))
    if row is None:
        yield place.told("not in the registry")
        return
    yield place.told(_snapshot_status(place, row["digest"]))
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
        place = _Place(store, (spec.name, stage, chain.version(stage)))
        yield place.told(_status(place, registry))


@dataclass(frozen=True)
class _Place:
    """An artifact's place, whether or not it is there."""

    store: ArtifactStore
    artifact: tuple[str, str, str]

    def told(self, status: str) -> Verified:
        location = self.store.location_of(self.store.folder(*self.artifact))
        return Verified(stage=self.artifact[1], location=location, status=status)

    @property
    def there(self) -> bool:
        return self.store.has(*self.artifact)

    @property
    def problems(self) -> dict[str, str]:
        return self.store.problems(*self.artifact)

    @property
    def folder(self) -> Path:
        return self.store.local(*self.artifact)


def _comparisons(chain: Chain, registry: Registry, store: ArtifactStore) -> Iterator[Verified]:
    """Those of the bundle, with whomever; a comparison's version names the champion, too."""
    name, bundle = chain.spec.name, chain.version("release")
    happened = [one for one in events(registry, name) if one.bundle_version == bundle]
    for version in dict.fromkeys(one.evidence.get("version") for one in happened):
        if version is not None:
            place = _Place(store, (name, "promotion", version))
            yield place.told(_status(place, registry))


def _snapshot_status(place: _Place, digest: str) -> str:
    if not place.there:
        return "missing; run the pipeline again to freeze it again from the source"
    if problems := place.problems:
        return _told(problems)
    found = content_of_snapshot(Snapshot.load(place.folder)).digest
    if found != digest:
        return f"content digest is {found[:12]}, the registry says {digest[:12]}"
    return "verified"


def _status(place: _Place, registry: Registry) -> str:
    stage = place.artifact[1]
    if not place.there:
        return "absent"
    try:
        if problems := place.problems:
            return _told(problems)
        if stage == "normalization":
            return _against_registry(place.folder, registry)
        if stage == "release":
            require_registered(load_bundle(place.folder / "bundle"), registry)
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
