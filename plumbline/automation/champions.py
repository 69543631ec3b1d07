"""Who is champion now, and which kind of model: what an alert compares with last time."""

from collections.abc import Iterator, Mapping

from plumbline.automation.messages import Message, crosses, winner_changed
from plumbline.promotion import events
from plumbline.registry import Registry

Champion = Mapping[str, str]
"""Of one pipeline: bundle_version, kind, dataset_version, reason."""


def champions(registry: Registry, pipelines: list[str]) -> dict[str, Champion]:
    """By pipeline; those without a champion are left out."""
    found = {name: _champion(registry, name) for name in pipelines}
    return {name: one for name, one in found.items() if one}


def changes(before: Mapping[str, Champion], after: Mapping[str, Champion]) -> Iterator[Message]:
    """Of pipelines where a network took the place of a baseline, or the other way round."""
    for name in before.keys() & after.keys():
        was, now = before[name], after[name]
        if crosses(was["kind"], now["kind"]):
            yield winner_changed(
                pipeline=name,
                before=was["kind"],
                after=now["kind"],
                bundle=now["bundle_version"],
                dataset_version=now["dataset_version"],
                reason=now["reason"],
            )


def _champion(registry: Registry, pipeline: str) -> Champion | None:
    event = events.champion(events.events(registry, pipeline))
    if event is None:
        return None
    bundle = registry.one("bundles", bundle_version=event.bundle_version) or {}
    model = registry.one("model_versions", model_version=bundle["model_version"]) or {}
    return {
        "bundle_version": event.bundle_version,
        "kind": model["kind"],
        "dataset_version": bundle["dataset_version"],
        "reason": event.reason,
    }
