"""Which learning rates a network learns at: tried before training, on weights that are put back.

Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3: the rate rises
from step to step, and the loss is watched.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from plumbline.network.architectures import Network
from plumbline.network.loop.feed import Feed
from plumbline.network.loop.steps import Steps
from plumbline.network.resume import variables

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 160
"""The rates that are tried, at equal ratios: 20 in a decade."""

SMOOTHING = 0.9
"""Weight of the past in the running mean of the loss, which is corrected for its start."""

DIVERGED = 4.0
"""Multiple of the lowest smoothed loss at which the test ends."""


def range_test(training: Network, steps: Steps, feed: Feed, size: int) -> dict[str, Any]:
    """Train a compiled model for some steps at rising rates, then put everything back.

    size: rows per step.

    Returns rates and smoothed losses (equally long), `suggested`, the rate at which the loss
    falls fastest (None where it never falls), and `diverged_at`, the rate that ended the test
    (None where none did).
    """
    kept = {name: np.array(one) for name, one in variables(training).items()}
    try:
        return _points(training, steps, feed, size)
    finally:
        for name, one in variables(training).items():
            one.assign(kept[name])
        training.reset_metrics()


def _points(training: Network, steps: Steps, feed: Feed, size: int) -> dict[str, Any]:
    tried = np.geomspace(LOWEST, HIGHEST, STEPS)
    rates: list[float] = []
    losses: list[float] = []
    mean, diverged = 0.0, None
    for rate, loss in zip(tried, _losses(training, steps, feed, size, tried), strict=False):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (len(losses) + 1))
        if not math.isfinite(smooth) or (losses and smooth > DIVERGED * min(losses)):
            diverged = float(rate)
            break
        rates.append(float(rate))
        losses.append(smooth)
    return {
        "rates": rates,
        "losses": losses,
        "suggested": suggested(rates, losses),
        "diverged_at": diverged,
    }


def suggested(rates: list[float], losses: list[float]) -> float | None:
    """The rate at which the loss falls fastest, along the logarithm of the rate.

    Only up to the lowest loss: what falls after a peak is a network that was blown up. None
    where the loss never falls.
    """
    low = int(np.argmin(losses)) + 1 if losses else 0
    if low < 2:
        return None
    slope = np.gradient(np.asarray(losses[:low]), np.log(rates[:low]))
    return rates[int(slope.argmin())]


def _losses(
    training: Network, steps: Steps, feed: Feed, size: int, tried: np.ndarray
) -> Iterator[float]:
    """The loss of one step after the other, taken before the step's own update."""
    done = 0
    for epoch in range(len(tried)):
        for portion in feed.epoch(epoch, size):
            order = steps.order(portion.order)
            # As long as in training, so that nothing is compiled for this test alone.
            count = math.ceil(len(portion.order) / size)
            course = np.resize(np.append(tried[done:], tried[-1:]), count)
            for step in range(count):
                training.reset_metrics()
                steps.run(portion.placed, order, size, course, step, step + 1)
                yield float(training.get_metrics_result()["loss"])
                done += 1
