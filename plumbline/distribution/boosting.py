"""XGBoost by several workers: each brings its rows, and all come to the same trees."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from plumbline.baselines import training
from plumbline.baselines.examples import Examples
from plumbline.baselines.feeding import Room, loaded
from plumbline.normalization.parameters import Normalization
from plumbline.spec import BaselinesSpec
from plumbline.split.split import Split
from plumbline.store import workplace
from plumbline.worker import Worker

SECONDS = 3600
"""How long the first worker waits for the others, which read their rows meanwhile."""

RETRIES = 20
"""How often the others knock at the first one's door: the n-th time after 2 (n - 1) seconds."""


def build(  # noqa: PLR0917
    split: Split,
    normalization: Normalization,
    options: BaselinesSpec,
    folder: Path,
    worker: Worker,
    memory: int | None,
) -> None:
    """As `plumbline.baselines.training.build` of XGBoost, by workers that all call it.

    Raises:
        As that does.
    """
    sides = split.train(), split.validation()
    with _door(worker), _place(folder, worker) as place:
        given, beside, feeding = loaded(*sides, normalization, Room(memory, workplace(folder)))
        with _joined(worker) as collective:
            brought, rows = _brought(given, worker), len(given.labels)
            training.fit_and_write("xgboost", brought, beside, feeding, options, place, rows=rows)
            collective.allreduce(np.zeros(1), collective.Op.SUM)  # until that is written


def shares(count: int, world: int) -> list[slice]:
    """Which of `count` rows each of `world` workers brings: as many as the others, or one less."""
    ends = [count * one // world for one in range(world + 1)]
    return [slice(first, last) for first, last in pairwise(ends)]


def _brought(given: Examples, worker: Worker) -> Examples:
    rows = shares(len(given.labels), worker.world)[worker.rank]
    return replace(
        given,
        matrix=given.matrix.take(rows),
        labels=given.labels[rows],
        weights=None if given.weights is None else given.weights[rows],
    )


@contextmanager
def _door(worker: Worker) -> Iterator[None]:
    """The first worker opens what the others find each other through, until all have left."""
    if not worker.first:
        yield
        return
    from xgboost.tracker import RabitTracker

    host, port = _address(worker)
    tracker = RabitTracker(worker.world, host, port, sortby="task", timeout=SECONDS)
    tracker.start()
    yield
    tracker.wait_for()


@contextmanager
def _joined(worker: Worker) -> Iterator[Any]:
    """Herein XGBoost adds up what the workers found of their rows: gives its collective module."""
    from xgboost import collective

    host, port = _address(worker)
    # By their names in order, the first worker is the first of XGBoost's, too.
    named = {"dmlc_task_id": f"{worker.rank:06d}", "dmlc_retry": RETRIES}
    with collective.CommunicatorContext(dmlc_tracker_uri=host, dmlc_tracker_port=port, **named):
        yield collective


def _address(worker: Worker) -> tuple[str, int]:
    host, _, port = worker.address.rpartition(":")
    return host.strip("[]"), int(port)


@contextmanager
def _place(folder: Path, worker: Worker) -> Iterator[Path]:
    """`folder`; of all but the first worker a copy that nobody keeps."""
    if worker.first:
        yield folder
        return
    work = workplace(folder)  # goes with the artifact's publication, should this worker die
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="worker-", dir=work) as copy:
        yield Path(copy)
