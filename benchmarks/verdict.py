"""How often the verdict promotes a network that adds nothing, and one that adds enough.

    .venv/bin/python benchmarks/verdict.py [--repeats 500] [--only auc]

Test rows and candidates are drawn from distributions whose AUC or RMSE is known exactly: a
baseline, and the networks of three seeds, whose true values differ by chance. All share most of
their noise, as models of the same rows do, and networks share more with each other. The verdict
is that of an evaluation. Beside each share stands its 95 % interval by Wilson for so many repeats.

Last, DeLong's interval of a difference is held against a bootstrap's on the same rows.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

from plumbline.evaluation.comparison import deciding, judge
from plumbline.evaluation.seeds import Spread
from plumbline.evaluation.sides import Side
from plumbline.metrics.interval import Interval
from plumbline.spec import EvaluationSpec, Task
from plumbline.spec.metrics import METRICS

NORMAL = NormalDist()
SHARED = 0.95
"""Share of the variance that all candidates' noise has in common."""
ALIKE = 0.5
"""Share of the rest that networks of all seeds have in common."""
AREA, POSITIVE = 0.80, 0.30
"""The baseline's AUC, and the share of positives."""
BASELINE, NETWORK = "xgboost", "network"

Drawn = tuple[np.ndarray, dict[str, np.ndarray]]
"""Labels, and scores by candidate."""


def binary(random: np.random.Generator, rows: int, gains: Mapping[str, float]) -> Drawn:
    """Binormal scores: the AUC is AREA, and more by a candidate's gain."""
    labels = (random.random(rows) < POSITIVE).astype(np.int8)
    labels[:2] = 0, 1
    noises = _noises(random, rows, gains)
    scores = {
        kind: 2**0.5 * NORMAL.inv_cdf(AREA + gain) * labels + noises[kind]
        for kind, gain in gains.items()
    }
    return labels, scores


def regression(random: np.random.Generator, rows: int, gains: Mapping[str, float]) -> Drawn:
    """Normal errors: the RMSE is 1, and less by a candidate's gain."""
    labels = 3 * random.normal(size=rows)
    noises = _noises(random, rows, gains)
    return labels, {kind: labels + (1 - gain) * noises[kind] for kind, gain in gains.items()}


def _noises(
    random: np.random.Generator, rows: int, kinds: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Standard normals: SHARED of the variance common to all, ALIKE of the rest to networks."""
    every, networks = random.normal(size=(2, rows))
    found = {}
    for kind in kinds:
        own = random.normal(size=rows)
        if kind != BASELINE:
            own = ALIKE**0.5 * networks + (1 - ALIKE) ** 0.5 * own
        found[kind] = SHARED**0.5 * every + (1 - SHARED) ** 0.5 * own
    return found


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What is compared, on how many rows."""

    task: Task
    draw: Callable[[np.random.Generator, int, Mapping[str, float]], Drawn]
    worth: float
    """The baseline's value of the metric, on validation rows as on test rows."""
    minimum: float
    """The minimum gain that is in force."""
    rows: int
    """So many test rows as give a power above 80 % at twice the minimum gain."""
    seeds: int = 3
    """Networks (count)."""
    luck: float = 0.25
    """Standard deviation between seeds of the true gain, as a share of the minimum."""
    options: EvaluationSpec = field(default_factory=EvaluationSpec)

    def decisions(self, gain: float, repeats: int, seed: int = 0) -> Counter[str]:
        """How often each verdict was passed on networks that truly gain so much in the mean.

        "unearned" counts the networks that were promoted and truly gain no more than the minimum
        themselves, whatever the mean.
        """
        found = Counter[str]()
        for repeat in range(repeats):
            random = np.random.default_rng(seed + repeat)
            gains = self.gains(gain, random)
            decision = self._once(gains, random)
            found[decision] += 1
            found["unearned"] += int(decision == "NETWORK" and gains[NETWORK] <= self.minimum)
        return found

    def gains(self, gain: float, random: np.random.Generator) -> dict[str, float]:
        """True gains: of the baseline none, of each network its own."""
        if self.seeds == 1:
            return {BASELINE: 0.0, NETWORK: gain}
        networks = [NETWORK, *(f"{NETWORK} {one}" for one in range(1, self.seeds))]
        luck = self.luck * self.minimum * random.normal(size=self.seeds)
        return {BASELINE: 0.0, **dict(zip(networks, gain + luck, strict=True))}

    def _once(self, gains: Mapping[str, float], random: np.random.Generator) -> str:
        labels, scores = self.draw(random, self.rows, gains)
        side = self.side(labels, {kind: scores[kind] for kind in (BASELINE, NETWORK)})
        name = deciding(side)
        values = [side.value(kind, one, name) for kind, one in scores.items() if kind != BASELINE]
        on_val = Interval(value=self.worth, low=self.worth, high=self.worth)
        verdict = judge(
            side,
            dict.fromkeys(side.scores, on_val),
            seeds=Spread.of(values, METRICS[name].sign),
        )
        assert verdict.comparison["minimum_gain"] == self.minimum
        return verdict.decision

    def side(self, labels: np.ndarray, scores: Mapping[str, np.ndarray]) -> Side:
        """The test rows, of which only what decides is measured."""
        side = Side(task=self.task, labels=labels, scores=scores, options=self.options)
        return replace(side, only=(deciding(side),))


CONTESTS: Mapping[str, Contest] = {
    "auc": Contest(task="binary", draw=binary, worth=AREA, minimum=0.002, rows=100_000),
    # Resamples take their time: fewer rows, and a minimum gain that is greater by as much.
    "rmse": Contest(
        task="regression",
        draw=regression,
        worth=1.0,
        minimum=0.05,
        options=EvaluationSpec(minimum_gain=0.05),
        rows=600,
    ),
}


def agreement(repeats: int, rows: int = 4_000, resamples: int = 2_000) -> tuple[float, float]:
    """How near DeLong's interval of a paired difference is to a percentile bootstrap's.

    Returns the mean ratio of their widths, and the greatest distance of two ends as a share of
    DeLong's width.
    """
    contest = replace(CONTESTS["auc"], options=EvaluationSpec(resamples=resamples))
    ratios, apart = [], []
    for seed in range(repeats):
        random = np.random.default_rng(seed)
        labels, scores = binary(random, rows, {BASELINE: 0.0, NETWORK: 0.01})
        side = contest.side(labels, scores)
        # Every row a group of its own: the same rows are drawn, and DeLong does not apply.
        drawn = replace(side, groups=np.arange(rows))
        one, other = (
            each.difference(NETWORK, BASELINE, "auc").interval(0.95) for each in (side, drawn)
        )
        width = one.high - one.low
        ratios.append((other.high - other.low) / width)
        apart.append(max(abs(one.low - other.low), abs(one.high - other.high)) / width)
    return float(np.mean(ratios)), max(apart)


def wilson(count: int, repeats: int) -> tuple[float, float]:
    z, share = NORMAL.inv_cdf(0.975), count / repeats
    middle = share + z * z / (2 * repeats)
    reach = z * (share * (1 - share) / repeats + z * z / (4 * repeats**2)) ** 0.5
    return tuple((middle + side * reach) / (1 + z * z / repeats) for side in (-1, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=500, help="of each contest (count)")
    parser.add_argument("--only", nargs="+", choices=CONTESTS, default=list(CONTESTS))
    parser.add_argument("--luck", type=float, help="between seeds, as a share of the minimum gain")
    parser.add_argument("--seeds", type=int, help="networks (count)")
    chosen = parser.parse_args()
    nominal = (1 - EvaluationSpec().confidence) / 2
    print(f"{chosen.repeats} repeats each; a network that gains no more than the minimum may be")
    print(f"promoted in {nominal:.1%} of them")
    changed = {name: getattr(chosen, name) for name in ("luck", "seeds")}
    for name in chosen.only:
        contest = replace(CONTESTS[name], **{k: v for k, v in changed.items() if v is not None})
        show(name, contest, chosen.repeats)
    if "auc" in chosen.only:
        ratio, apart = agreement(20)
        print("\nDeLong against 2,000 resamples, 20 pairs on 4,000 rows: the bootstrap's intervals")
        print(f"are {ratio:.3f} times as wide in the mean, and no end is further off than")
        print(f"{apart:.1%} of the width")


def show(name: str, contest: Contest, repeats: int) -> None:
    print(
        f"\n{name}, {contest.rows:,} test rows, minimum gain {contest.minimum:g}, "
        f"{contest.seeds} seeds that differ by {contest.luck:g} of it"
    )
    for told, times in (("0", 0), ("the minimum", 1), ("twice the minimum", 2)):
        started = time.perf_counter()
        found = contest.decisions(times * contest.minimum, repeats)
        low, high = wilson(found["NETWORK"], repeats)
        share = found["NETWORK"] / repeats
        print(
            f"  true gain {told:18} promoted {share:6.1%} ({low:.1%} to {high:.1%}), "
            f"inconclusive {found['INCONCLUSIVE'] / repeats:6.1%}, "
            f"unearned {found['unearned'] / repeats:.1%}, "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
