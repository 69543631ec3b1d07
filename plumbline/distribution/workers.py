"""Which of the processes of a training this one is."""

import json
import os
from collections.abc import Sequence

from plumbline.worker import ALONE, Worker

__all__ = ["ALONE", "CONFIG", "Worker", "config", "current"]

CONFIG = "TF_CONFIG"
"""Environment variable that names the processes: TensorFlow's own, read for XGBoost too."""


def current() -> Worker:
    """This process, by `TF_CONFIG`; alone without it."""
    given = json.loads(os.environ.get(CONFIG) or "{}")
    listed = given.get("cluster", {}).get("worker", [])
    if len(listed) < 2:
        return ALONE
    return Worker(rank=int(given["task"]["index"]), world=len(listed), address=listed[0])


def config(addresses: Sequence[str], rank: int) -> str:
    """What to set `TF_CONFIG` to; addresses: `host:port` of each process, by rank."""
    task = {"type": "worker", "index": rank}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})
