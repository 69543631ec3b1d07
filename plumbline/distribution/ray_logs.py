"""What workers log, told by the process that waits for them: its log is the one people read."""

# Ray is an extra, and imported where it is used.
# pyright: reportMissingImports=false

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener
from typing import Any

_LOGGER = "plumbline"


@contextmanager
def relayed() -> Iterator[Any]:
    """A queue for `telling`; what arrives within the block is logged here."""
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # On this node, so that it is lost with this process and not before.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    queue: Any = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    listener = QueueListener(queue, _Here())
    listener.start()
    try:
        yield queue
    finally:
        listener.stop()
        queue.shutdown(force=True)


@contextmanager
def telling(queue: Any) -> Iterator[None]:
    """Send what this worker logs within the block to the queue; of all but the first worker
    warnings only, for they do the same."""
    from ray.train import get_context

    context = get_context()
    first = context.get_world_rank() == 0
    logger, handler = logging.getLogger(_LOGGER), QueueHandler(queue)
    before = logger.level
    logger.setLevel(logging.INFO if first else logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Here(logging.Handler):
    """Logs a record again, with this process' loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)
