"""What a network costs beside the best baseline, and whether that is more than was declared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plumbline.evaluation.candidates import Candidate
from plumbline.evaluation.comparison import NETWORK
from plumbline.spec import VerdictSpec

EXPLANATIONS = {NETWORK: "none"}
EXACT = "exact, by its trees"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A declared limit, and what was found."""

    limit: str
    """The option's name."""
    declared: float
    found: float | None
    """None: nobody measured it."""
    blocks: bool
    told: str


def beside(
    candidates: Sequence[Candidate], further: Sequence[Candidate], baseline: str
) -> list[dict[str, Any]]:
    """Of the network, if there is one, and the best baseline: what each costs.

    one_row_us (median, microseconds), bytes, seconds (of all its trainings), trainings (count)
    and explanations; None for what was not measured.
    """
    wanted = [one for one in candidates if one.kind in (NETWORK, baseline)]
    return [
        _cost(one, [one, *further] if one.kind == NETWORK else [one])
        for one in sorted(wanted, key=lambda one: one.kind != NETWORK)
    ]


def limits(found: Sequence[Mapping[str, Any]], spec: VerdictSpec) -> list[dict[str, Any]]:
    """Each declared limit, as `Limit`; none where there is no network.

    What was not measured keeps to no limit.
    """
    network = next((one for one in found if one["candidate"] == NETWORK), None)
    return [asdict(one) for one in _limits(network, spec)] if network else []


def _limits(network: Mapping[str, Any], spec: VerdictSpec) -> Iterator[Limit]:
    took = network["one_row_us"]
    milliseconds = None if took is None else took / 1000
    if spec.max_latency_ms is not None:
        yield _limit("max_latency_ms", spec.max_latency_ms, milliseconds, "ms for one row")
    if spec.max_bytes is not None:
        yield _limit("max_bytes", spec.max_bytes, network["bytes"], "bytes of files")


def _limit(name: str, declared: float, found: float | None, unit: str) -> Limit:
    blocks = found is None or found > declared
    told = (
        f"nobody measured its {unit}, and verdict.{name} is {declared:,.10g}"
        if found is None
        else f"it takes {found:,.10g} {unit}, and verdict.{name} is {declared:,.10g}"
    )
    return Limit(limit=name, declared=declared, found=found, blocks=blocks, told=told)


def _cost(one: Candidate, trained: Sequence[Candidate]) -> dict[str, Any]:
    cost = one.cost or {}
    seconds = [(each.cost or {}).get("seconds") for each in trained]
    known = [each for each in seconds if each is not None]
    return {
        "candidate": one.kind,
        "one_row_us": cost.get("latency", {}).get("one_row_us"),
        "bytes": cost.get("bytes"),
        "seconds": sum(known) if len(known) == len(seconds) else None,
        "trainings": len(trained),
        "explanations": EXPLANATIONS.get(one.kind, EXACT),
    }
