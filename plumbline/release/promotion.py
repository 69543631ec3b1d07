"""Bundles in the registry, and which of them is a pipeline's current model."""

import getpass
from pathlib import Path

from plumbline.registry import Registry, Row
from plumbline.spec import PipelineSpec


def record(
    registry: Registry, spec: PipelineSpec, *, location: Path, reason: str, **versions: str
) -> bool:
    """Record a bundle, and promote it if the pipeline says so; True if it is now current.

    `versions` are the other columns of `bundles`. Promoting what is current already
    adds no row.
    """
    with registry.exclusive(f"{spec.name}/promotion"):
        registry.record(
            "bundles",
            volatile=["location"],
            location=str(location),
            **versions,
        )
        if not spec.release.promote:
            return False
        bundle_version = versions["bundle_version"]
        latest = current(registry, spec.name)
        if latest is None or latest["bundle_version"] != bundle_version:
            registry.append(
                "promotions",
                pipeline=spec.name,
                bundle_version=bundle_version,
                reason=reason,
                promoted_by=getpass.getuser(),
            )
        return True


def current(registry: Registry, pipeline: str) -> Row | None:
    """The pipeline's last promotion, or None."""
    promotions = registry.rows("promotions", pipeline=pipeline)
    return promotions[-1] if promotions else None
