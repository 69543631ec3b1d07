"""The network again under further seeds: how much of its gain is luck."""

import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from plumbline.network import training
from plumbline.network.training import TrainedNetwork
from plumbline.spec import NetworkSpec
from plumbline.store import MANIFEST, ArtifactStore, workplace

log = logging.getLogger(__name__)

Train = Callable[[NetworkSpec, Path], object]
"""Trains a network with the options given, and writes its artifact's files into the folder."""

_PLACE = ("networks", "network")


def further_seeds(declared: int, networks: int) -> list[int]:
    """The seeds of all networks but the first: those after the declared one."""
    return list(range(declared + 1, declared + networks))


def build(train: Train, options: NetworkSpec, seeds: Sequence[int], folder: Path) -> None:
    """Train the declared network under each seed; each lies in a folder of its seed.

    Those that are done lie whole beside `folder` while the others are trained, and so does the
    state of the one in training: the next process that builds the same takes both up.

    Raises:
        What `train` raises.
    """
    done = ArtifactStore(root=workplace(folder))
    for place, seed in enumerate(seeds, 2):
        log.info("network %d of %d: seed %d", place, len(seeds) + 1, seed)
        declared = options.model_copy(update={"seed": seed, "range_test": False})
        _once(done, seed, partial(train, declared))
    for seed in seeds:
        made = done.get(*_PLACE, str(seed))
        shutil.copytree(made, folder / str(seed), ignore=shutil.ignore_patterns(MANIFEST))


def load(folder: Path, model_version: str) -> tuple[TrainedNetwork, ...]:
    """The networks that `build` left in `folder`, in the order of their seeds.

    Each has the artifact's version with its seed after a slash.
    """
    seeds = sorted(int(path.name) for path in folder.iterdir() if path.is_dir())
    return tuple(training.load(folder / str(one), f"{model_version}/{one}") for one in seeds)


def record(networks: Sequence[TrainedNetwork]) -> dict[str, Any]:
    """Of all of them, as of one model: rows, seconds, hyperparameters, val, and execution where
    workers trained them.

    hyperparameters are those of the first one, with all seeds in the place of its own.
    """
    first = networks[0].training
    seeds = [one.training["hyperparameters"]["seed"] for one in networks]
    return {
        "rows": first["rows"],
        "seconds": sum(one.training["seconds"] for one in networks),
        "hyperparameters": {**first["hyperparameters"], "seed": None, "seeds": seeds},
        "val": {},
        **({"execution": first["execution"]} if "execution" in first else {}),
    }


def _once(done: ArtifactStore, seed: int, train: Callable[[Path], object]) -> None:
    """Train the network of a seed, unless it is done already."""
    if done.find(*_PLACE, str(seed)) is None:
        done.publish(*_PLACE, str(seed), train)
