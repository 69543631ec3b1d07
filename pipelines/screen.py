"""What the console script prints."""

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from plumbline.spec.metrics import METRICS

if TYPE_CHECKING:
    from plumbline.verification import Verified


def show_progress() -> None:
    """Print Plumbline's own log lines, with the time, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    for name in ("plumbline", "assets", "pipelines"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def print_summary(facts: dict[str, Any]) -> None:
    """One screen: versions, rows, candidates with intervals, verdict, bundle."""
    screen = console()
    screen.print(_versions(facts))
    if facts["candidates"]:
        screen.print(_candidates(facts["candidates"], _deciding(facts["verdict"])))
    if facts["gate"]:
        screen.print(f"Gate     {facts['gate']['decision']}: {facts['gate']['reason']}")
    if facts["verdict"]:
        screen.print(f"Verdict  {facts['verdict']['decision']}: {facts['verdict']['reason']}")
        screen.print(f"         test split read {len(facts['test_reads'])} time(s)")
    else:
        screen.print("Verdict  none yet; the run did not reach the evaluation")
    if facts["bundle"]:
        screen.print(f"Bundle   {facts['bundle']['location']}")
        screen.print(f"         model {facts['bundle']['model_version'][:12]}")
        screen.print(f"Champion {_champion(facts)}", markup=False)


def print_verified(found: "Sequence[Verified]") -> None:
    grid = Table("stage", "status", "location", box=None, pad_edge=False)
    for stage in found:
        grid.add_row(stage.stage, stage.status, str(stage.location))
    console().print(grid)


def console() -> Console:
    """The terminal at its own width; wide enough for the tables where there is none."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=160)


def _versions(facts: dict[str, Any]) -> Table:
    dataset, split, normalization = facts["dataset"], facts["split"], facts["normalization"]
    grid = Table(title=facts["pipeline"], show_header=False, box=None, pad_edge=False)
    grid.title_justify = "left"
    grid.add_row("dataset version", dataset["dataset_version"], f"sha256 {dataset['digest'][:12]}")
    grid.add_row("", f"{dataset['row_count']:,} rows", f"frozen {dataset['frozen_at'][:19]}")
    if split:
        sides = [f"{side} {split[f'{side}_rows']:,}" for side in ("train", "val", "test")]
        sides += [f"excluded {split['excluded_rows']:,}"] * (split["excluded_rows"] > 0)
        grid.add_row("split", " / ".join(sides), split["split_version"][:12])
    if normalization:
        version = normalization["normalization_version"][:12]
        grid.add_row("normalization", normalization["method"], version)
    return grid


def _champion(facts: dict[str, Any]) -> str:
    """Who is champion, and what became of this bundle if it is not."""
    champion, bundle = facts["champion"], facts["bundle"]
    lines = ["none"]
    own = champion is not None and champion["bundle_version"] == bundle["bundle_version"]
    if champion is not None:
        name = "this bundle" if own else f"bundle {champion['bundle_version'][:12]}"
        until = f" until {champion['expires_at'][:19]}" if champion["expires_at"] else ""
        at = champion["promoted_at"][:19]
        lines = [f"{name}, {champion['action']} {at}{until}: {champion['reason']}"]
    if not own:
        last = bundle["promotions"][-1:]
        lines += [f"this bundle, {one['action']}: {one['reason']}" for one in last]
    return "\n         ".join(lines)


def _deciding(verdict: dict[str, Any] | None) -> str:
    """The metric that candidates were compared by."""
    comparison = (verdict or {}).get("evidence", {}).get("comparison", {})
    return comparison.get("metric", "auc")


def _candidates(candidates: list[dict[str, Any]], metric: str) -> Table:
    test = candidates[0]["test"]
    other = next(name for name in ("log_loss", "mae", *test) if name in test and name != metric)
    grid = Table(
        "candidate",
        f"val {METRICS[metric].title} ({test[metric]['confidence']:.0%} interval)",
        f"test {METRICS[metric].title}",
        f"test {METRICS[other].title}",
        "trained in",
        "model version",
        box=None,
        pad_edge=False,
    )
    for candidate in candidates:
        grid.add_row(
            candidate["kind"],
            _interval(metric, candidate["val"][metric]),
            _interval(metric, candidate["test"][metric]),
            _interval(other, candidate["test"][other]),
            f"{candidate['training_seconds']:.1f} s",
            candidate["model_version"][:12],
        )
    return grid


def _interval(metric: str, score: dict[str, float]) -> str:
    value, low, high = (METRICS[metric].written(score[end]) for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
