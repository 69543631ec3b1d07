"""Pictures of a search: what they show, and that odd searches can be drawn."""

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plumbline.evaluation import figures
from plumbline.evaluation.figures import search as module
from plumbline.search.result import SearchResult, Trial
from plumbline.spec import Range


def trial(number: int, value: float | None, state: Any = "done", **values: Any) -> Trial:
    drawn = {"learning_rate": 0.01, "width": 8, "shape": [8, 8], **values}
    return Trial(
        number=number,
        state=state,
        values=drawn,
        value=value,
        epochs=3,
        error="nan" if state == "failed" else None,
        seconds=1.0,
    )


FOUND = SearchResult(
    study="x",
    metric="loss",
    maximize=False,
    space={
        "learning_rate": Range(low=1e-4, high=1.0),
        "width": Range(low=4, high=64),
        "shape": [[8, 8], [16], "a$b"],
    },
    trials=(
        trial(0, 0.5, learning_rate=0.1),
        trial(1, 0.4, width=64),
        trial(2, None, "failed", learning_rate=1.0),
        trial(3, 0.9, "pruned", shape="a$b"),
        trial(4, 0.3, shape=[16]),
        trial(5, 0.35),
    ),
    best=4,
    options={},
    importances={},
)


def shown(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size


@pytest.mark.parametrize("draw", [figures.search_history, figures.parallel_coordinates])
def test_pictures_are_704_pixels_wide_and_always_the_same(draw):
    first = draw(FOUND)
    assert shown(first)[0] == 704
    assert draw(FOUND) == first
    assert draw(dataclasses.replace(FOUND, trials=FOUND.trials[:5])) != first


@pytest.mark.parametrize("draw", [figures.search_history, figures.parallel_coordinates])
@pytest.mark.parametrize(
    "odd",
    [
        {"trials": FOUND.trials[:1], "best": 0},
        {"trials": (trial(0, 0.5), trial(1, 0.5)), "best": 0},
        {"maximize": True, "metric": "auc", "best": 0},
        {"space": {"width": [8]}, "best": 4},
    ],
    ids=["one trial", "equal values", "greater is better", "a single value"],
)
def test_odd_searches_are_drawn(draw, odd):
    trials = odd.get("trials", FOUND.trials)
    found = dataclasses.replace(FOUND, **{**odd, "trials": trials})
    if odd.get("space"):
        trials = tuple(dataclasses.replace(t, values={"width": 8}) for t in trials)
        found = dataclasses.replace(found, trials=trials)
    assert shown(draw(found))[0] == 704


def test_the_best_so_far_never_gets_worse():
    places, values = module._best_so_far(FOUND)
    assert places == [1, 2, 5, 6, 6]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.3


def test_what_lies_far_behind_does_not_squeeze_the_rest():
    trials = [trial(n, 0.3 + 0.01 * n) for n in range(10)]
    far = dataclasses.replace(FOUND, trials=(*trials, trial(10, 1e6)), best=0)
    assert module._edge(far) < 0.6
    assert module._edge(dataclasses.replace(far, trials=tuple(trials))) == pytest.approx(0.39)


def test_heights_follow_the_scale_of_an_axis():
    space = FOUND.space
    assert module._height("learning_rate", space["learning_rate"], 0.01) == pytest.approx(0.5)
    assert module._height("width", space["width"], 4) == 0
    assert module._height("width", space["width"], 64) == 1
    assert module._height("shape", space["shape"], [16]) == 0.5
    linear = Range(low=0, high=0.5, scale="linear")
    assert module._height("dropout", linear, 0.25) == np.float64(0.5)
