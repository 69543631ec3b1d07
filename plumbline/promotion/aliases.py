"""Names for bundles: `champion`, `challenger`, or the first digits of a version."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from plumbline.errors import PromotionError
from plumbline.promotion import events
from plumbline.promotion.events import Event
from plumbline.registry import Registry, Row
from plumbline.store import ArtifactStore

ALIASES: Mapping[str, Callable[[Sequence[Event]], Event | None]] = MappingProxyType(
    {"champion": events.champion, "challenger": events.challenger}
)


def current(registry: Registry, pipeline: str) -> Event | None:
    """What made the pipeline's current bundle so; None where there is none."""
    return events.champion(events.events(registry, pipeline))


def bundle(registry: Registry, pipeline: str, name: str) -> Row:
    """The row in `bundles` of an alias, or of a version by as many digits as tell it apart.

    Raises:
        PromotionError: it is the name of no bundle, or of several.
    """
    if name in ALIASES:
        event = ALIASES[name](events.events(registry, pipeline))
        if event is None:
            raise _nobody(pipeline, name)
        name = event.bundle_version
    rows = registry.rows("bundles", pipeline=pipeline)
    found = [row for row in rows if name and row["bundle_version"].startswith(name)]
    if len(found) != 1:
        raise _unknown(pipeline, name, rows, len(found))
    return found[0]


def location(row: Row, pipeline: str, store: ArtifactStore | None = None) -> Path:
    """The folder of a bundle: where it was released, or where the store has it now."""
    recorded = Path(row["location"])
    if store is None or recorded.is_dir():
        return recorded
    return store.local(pipeline, "release", row["bundle_version"]) / "bundle"


def bundle_location(registry: Registry, reference: str, store: ArtifactStore | None = None) -> Path:
    """The folder that PIPELINE@champion, PIPELINE@challenger or PIPELINE@VERSION stands for.

    Raises:
        PromotionError: it stands for no bundle, or its folder is gone.
    """
    pipeline, _, name = reference.partition("@")
    row = bundle(registry, pipeline, name)
    folder = location(row, pipeline, store)
    if not folder.is_dir():
        raise PromotionError(
            f"{reference} is bundle {row['bundle_version'][:12]}, and {folder} is gone",
            expected="the folder that was released",
            remedy=f"restore it from a backup, or plumbline rollback {pipeline}",
        )
    return folder


def _nobody(pipeline: str, alias: str) -> PromotionError:
    return PromotionError(
        f"{pipeline} has no {alias}",
        expected="a bundle that was promoted"
        if alias == "champion"
        else "a bundle that the present champion was kept before",
        remedy=f"plumbline promotions {pipeline} shows what happened",
    )


def _unknown(pipeline: str, name: str, rows: Sequence[Row], found: int) -> PromotionError:
    known = ", ".join(row["bundle_version"][:12] for row in rows[-5:]) or "none"
    several = f"{found} bundles of {pipeline} begin with {name!r}"
    return PromotionError(
        several if found else f"{pipeline} has no bundle {name!r}",
        expected=f"champion, challenger, or the first digits of one; the last are {known}",
        remedy="give more digits" if found else f"plumbline run {pipeline} releases one",
    )
