"""How often calibration is released that does not help, and how much of the truth sets hold.

    .venv/bin/python benchmarks/decision.py [--repeats 300]

Labels are drawn from log-odds that are known; scores are those odds times a factor: 1 is exact,
more is too sure. Prints the tables of docs/decision.md.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plumbline.decision import conformal
from plumbline.decision.choosing import Decided, decide
from plumbline.decision.sample import Sample
from plumbline.metrics.bootstrap import Draws
from plumbline.metrics.measured import measured
from plumbline.metrics.reliability import Reliability, wilson
from plumbline.spec import ConformalSpec, DecisionSpec, Task

NEW = 4_000
"""New rows that each decision is checked on (count)."""
CLASSES = {
    "binary": ("no", "yes"),
    "multiclass": ("ant", "bee", "cat"),
    "multilabel": ("red", "green", "blue"),
    "regression": (),
}


@dataclass(frozen=True, kw_only=True)
class World:
    """Where rows come from."""

    task: Task
    sure: float = 1.0
    """Log-odds of the scores over the true ones."""
    squared: bool = False
    """Whether scores are squared, which no line over log-odds quite undoes."""

    def sample(self, random: np.random.Generator, rows: int, resamples: int) -> Sample:
        labels, scores = self._drawn(random, rows)
        draws = Draws(rows=rows, resamples=resamples, seed=0)
        return Sample(task=self.task, labels=labels, scores=scores, draws=draws, confidence=0.95)

    def _drawn(self, random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
        odds = random.normal(size=(rows, 3))
        match self.task:
            case "regression":
                return odds[:, 0] + random.normal(size=rows), odds[:, 0]
            case "multiclass":
                powers = np.exp(self.sure * odds)
                labels = (odds + random.gumbel(size=odds.shape)).argmax(axis=1)
                return labels.astype(np.int16), powers / powers.sum(axis=1, keepdims=True)
        labels = (random.random(odds.shape) < _share(odds)).astype(np.int8)
        scores = _share(self.sure * odds) ** (1 + self.squared)
        return (labels, scores) if self.task == "multilabel" else (labels[:, 0], scores[:, 0])


def _share(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def decisions(
    world: World, options: DecisionSpec, rows: int, repeats: int, resamples: int = 500
) -> Iterator[tuple[Decided, Sample]]:
    """A decision of each repeat, and new rows with raw scores."""
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        val = world.sample(random, rows, resamples)
        yield decide(options, val, CLASSES[world.task]), world.sample(random, NEW, 1)


def calibration(name: str, world: World, rows: int, repeats: int) -> str:
    """A line of the first table."""
    methods, losses, errors = [], [], []
    for decided, new in decisions(world, DecisionSpec(), rows, repeats):
        methods.append(decided.calibration["method"])
        after = decided.decision.calibrated(new.scores)
        loss = [measured("binary", new.labels, one)["log_loss"] for one in (new.scores, after)]
        losses.append(loss[0] - loss[1])
        errors.append([Reliability(one, new.labels).of()[0, 0] for one in (new.scores, after)])
    count = np.array([sum(one != "none" for one in methods)])
    low, high = wilson(count / repeats, np.array([repeats]))
    stairs = methods.count("isotonic") / repeats
    before, after = np.mean(errors, axis=0)
    return (
        f"| {name} | {rows:,} | {count[0] / repeats:.1%} ({low[0]:.1%} to {high[0]:.1%}) "
        f"| {stairs:.1%} | {np.mean(losses):+.4f} | {before:.4f} | {after:.4f} |"
    ).replace("%", " %")


def coverage(task: Task, method: str, rows: int, repeats: int) -> str:
    """A line of the second table: of decisions as released, at a coverage of 0.9."""
    options = DecisionSpec.model_validate({"calibration": method, "conformal": ConformalSpec()})
    found = []
    for decided, new in decisions(World(task=task, sure=2.0), options, rows, repeats, 2):
        released = new.scored(decided.decision.calibrated(new.scores))
        checked = conformal.checked(decided.decision, released, decided.conformal)
        assert checked is not None
        found.append([checked["coverage"]["value"], checked["size"]["value"]])
    held, size = np.mean(found, axis=0)
    error = np.std(found, axis=0)[0] / repeats**0.5
    low, high = np.quantile(found, [0.025, 0.975], axis=0)[:, 0]
    return (
        f"| {task} | {method} | {rows:,} | {held:.1%} ± {1.96 * error:.1%} "
        f"| {low:.1%} to {high:.1%} | {size:.2f} |"
    ).replace("%", " %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=300, help="of each line (count)")
    repeats = parser.parse_args().repeats
    print(
        f"| {repeats} repeats: scores are | val rows | calibrated (95 % interval) | of them "
        "isotonic | log-loss gained on new rows | ECE before | after |"
    )
    print("|---|---|---|---|---|---|---|")
    for rows in (300, 2_000):
        print(calibration("exact", World(task="binary"), rows, repeats))
        print(calibration("1.5 times too sure", World(task="binary", sure=1.5), rows, repeats))
        print(calibration("squared", World(task="binary", squared=True), rows, repeats))
    print(
        f"\n| {repeats} repeats: task | calibration | val rows | coverage on new rows (mean) "
        "| of single samples (95 % of them) | size |"
    )
    print("|---|---|---|---|---|---|")
    for task in CLASSES:
        for method in ("auto",) if task == "regression" else ("platt", "isotonic"):
            for rows in (100, 1_000):
                print(coverage(task, method, rows, repeats))


if __name__ == "__main__":
    main()
