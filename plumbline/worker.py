"""One of the processes that train a model together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Worker:
    """One of `world` processes, each of which takes its share of the rows."""

    rank: int
    """From 0. The first one writes what the training leaves behind."""
    world: int
    """Processes (count). 1: this one, alone."""
    address: str = ""
    """`host:port` of the first one, where the others find it; empty for one alone."""

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.world == 1


ALONE = Worker(rank=0, world=1)
