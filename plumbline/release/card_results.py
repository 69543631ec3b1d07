"""The model card's sections on results: what was measured, compared and decided."""

from collections.abc import Iterator, Mapping
from typing import Any

from plumbline.evaluation.evaluate import Evaluation
from plumbline.release.card_decision import decided, interval
from plumbline.release.description import Release
from plumbline.release.manifest import Manifest
from plumbline.release.markdown import bullets, code, names, table
from plumbline.spec.metrics import METRICS

Facts = Mapping[str, Any]


def factors(release: Release, _: Manifest) -> Iterator[str]:
    """Groups of rows that were measured by themselves."""
    slices = release.evaluation.slices
    if not slices.get("measured"):
        yield (
            "No group of rows was evaluated separately: each metric is over all rows of its side."
        )
    else:
        yield from _measured(release.evaluation, slices["measured"])
    if left_out := slices.get("left_out"):
        yield "Not measured by themselves:"
        rows = [(code(one["slice"]), f"{one['rows']:,}", one["why"]) for one in left_out]
        yield table(("Slice", "Test rows", "Why"), rows)


def metrics(release: Release, manifest: Manifest) -> Iterator[str]:
    """What is reported, and by which rule a network is released."""
    evaluation, reads = release.evaluation, manifest.test_reads
    yield bullets(
        f"Reported: {names(manifest.metrics['test'])}, with {_percent(manifest.confidence)} "
        "intervals",
        f"A network is released if the {_percent(reads.confidence)} interval of its gain in test "
        f"{_deciding(evaluation)} over the best baseline lies above "
        f"{evaluation.comparison['minimum_gain']:g}",
        *_widened(manifest),
    )


def analyses(release: Release, _: Manifest) -> Iterator[str]:
    """The verdict, every candidate, what the winner costs, and all that was measured of it."""
    evaluation = release.evaluation
    yield f"{evaluation.decision}: {evaluation.reason}."
    yield (
        f"Compared by {_deciding(evaluation)}, {_percent(evaluation.confidence)} intervals; "
        f"{evaluation.winner} is released:"
    )
    yield table(("Candidate", "Validation", "Test", "Model version"), _candidates(evaluation))
    yield from _seeds(evaluation)
    yield from _costs(evaluation.complexity)
    yield (
        f"All metrics of {evaluation.winner}; those of the validation rows are of its own scores, "
        "those of the test rows of released ones:"
    )
    yield table(("Metric", "Validation", "Test"), _all(release.scores))
    yield from decided(release.scores)


def caveats(release: Release, manifest: Manifest) -> Iterator[str]:
    """What the numbers do not say."""
    if release.test_reads > manifest.test_reads.allowed:
        yield (
            f"The test rows were opened {release.test_reads} times: what was changed after a look "
            "at their scores is judged by rows that it was chosen on; a new dataset version has "
            "rows that nobody saw"
        )


def _measured(evaluation: Evaluation, slices: list[Facts]) -> Iterator[str]:
    yield (
        f"Test {_deciding(evaluation)} of {evaluation.winner} on slices: declared ones, which "
        "keep a network from being released where it is significantly worse than the best "
        "baseline, and weak ones that were found on the validation rows."
    )
    header = ("Slice", "Kind", "Test rows", "Released", "Gain of the network", "p", "Blocks")
    rows = [
        (
            code(one["slice"]),
            "declared" if one["declared"] else "found",
            f"{one['rows']:,}",
            interval(one["candidates"].get(evaluation.winner)),
            interval(one["difference"]) if one["difference"] else "no network",
            "" if one["holm"] is None else f"{one['holm']:.3g}",
            "yes" if one["blocks"] else "no",
        )
        for one in slices
    ]
    yield table(header, rows)
    yield "p, of no loss, is adjusted to the number of slices."


def _seeds(evaluation: Evaluation) -> Iterator[str]:
    networks, std = evaluation.seeds.get("networks", ()), evaluation.seeds.get("std")
    if std is None:
        return
    yield f"Networks of {len(networks)} seeds; their test scores have a spread of {std:.4g}:"
    rows = [
        (str(one["seed"]), f"{one['val']:.4f}", f"{one['test']:.4f}", "yes" * one["released"])
        for one in networks
    ]
    yield table(("Seed", "Validation", "Test", "Candidate"), rows)


def _costs(complexity: Facts) -> Iterator[str]:
    if not (costs := complexity.get("candidates")):
        return
    yield "What the network and the best baseline cost:"
    header = ("Model", "One row (µs)", "Files (bytes)", "Training (s)", "Trainings", "Explanations")
    rows = [
        (
            one["candidate"],
            *(_number(one[name]) for name in ("one_row_us", "bytes", "seconds", "trainings")),
            one["explanations"],
        )
        for one in costs
    ]
    yield table(header, rows)
    if limits := complexity.get("limits"):
        yield bullets(*(one["told"] for one in limits))


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"


def _widened(manifest: Manifest) -> Iterator[str]:
    if manifest.test_reads.confidence > manifest.confidence:
        yield (
            f"That interval is wider than declared, because it was reading "
            f"{manifest.test_reads.reading} of these test rows"
        )


def _candidates(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    for kind, scores in evaluation.candidates.items():
        found = (interval(scores[side].get(evaluation.metric)) for side in ("val", "test"))
        yield (kind, *found, code(scores["model_version"][:12]))


def _all(scores: Facts) -> Iterator[tuple[str, ...]]:
    for name, measured in scores["val"].items():
        yield (name, interval(measured), interval(scores["test"].get(name)))


def _deciding(evaluation: Evaluation) -> str:
    return METRICS[evaluation.metric].title


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.4g} %"
