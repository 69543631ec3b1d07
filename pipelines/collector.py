"""Python's garbage collector, while definitions are made."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """What is made here stays: looking for garbage in it, now or later, takes a fifth of the time
    that 50 pipelines take to load.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)  # DuckDB reports what nobody collected when Python ends
        if running:
            gc.enable()
