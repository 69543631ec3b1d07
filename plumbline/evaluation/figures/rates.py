"""Learning rates that were tried before training."""

from collections.abc import Sequence
from typing import Any

from plumbline.evaluation.figures.style import COLOURS, DASHED, GREY, dress, figure, legend, png


def range_test(
    rates: Sequence[float],
    losses: Sequence[float],
    suggested: float | None = None,
    used: float | None = None,
) -> bytes:
    """The smoothed loss by learning rate, as `network.range_test` recorded it.

    suggested: where the loss falls fastest. used: the rate that the network was trained at.
    """
    drawn = figure(
        2.8,
        f"Learning-rate range test: {len(rates):,} batches",
        "The loss of training batches, smoothed, as the rate grows from batch to batch; a good "
        "rate lies where it falls, well before it turns up.",
    )
    axes = drawn.subplots()
    axes.set_xscale("log")
    axes.plot(rates, losses, color=COLOURS["network"], linewidth=1.8, label="smoothed loss")
    _mark(axes, suggested, "falls fastest", "solid")
    _mark(axes, used, "height in training", DASHED)
    dress(axes, x="Learning rate", y="Loss of training batches")
    legend(axes, loc="best")
    return png(drawn)


def _mark(axes: Any, rate: float | None, said: str, line: Any) -> None:
    if rate is not None:
        axes.axvline(rate, color=GREY, linewidth=1, linestyle=line, label=f"{said}: {rate:.2g}")
