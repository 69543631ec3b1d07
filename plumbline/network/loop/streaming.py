"""The training rows a pool at a time, the next one read while the last one is trained on."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from plumbline.network.loop.feed import Portion
from plumbline.network.loop.shuffle import Pool, Shuffle
from plumbline.network.loop.steps import Steps


class Streamed:
    """At most two pools are held: the one on the device, and the next.

    The same rows in the same order as `InMemory`; so the same weights.
    """

    def __init__(self, steps: Steps, load: Callable[[Pool], Any], shuffle: Shuffle):
        """load: arrays of a pool's rows along its spans, as `Steps.place` takes them."""
        self.rows = shuffle.rows
        self._steps = steps
        self._load = load
        self._shuffle = shuffle

    def epoch(self, number: int, size: int) -> Generator[Portion, None, None]:
        pools = self._shuffle.pools(number, size)
        with ThreadPoolExecutor(1, "plumbline-feed") as reader:
            coming = reader.submit(self._next, pools)
            while portion := coming.result():
                coming = reader.submit(self._next, pools)
                yield portion

    def _next(self, pools: Iterator[Pool]) -> Portion | None:
        pool = next(pools, None)
        if pool is None:
            return None
        return Portion(placed=self._steps.place(self._load(pool)), order=pool.order)
