"""What Ray's workers do in tests instead: the same, slowly, so that there is time to be killed."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plumbline.distribution import ray_train
from plumbline.network import resume


def slow(given: Mapping[str, Any]) -> None:
    """A checkpoint at every epoch, and a second after it."""
    resume.EVERY, resume.SHARE = 0.0, 1e9
    written = resume.Resuming.epoch_ends

    def epoch_ends(self: resume.Resuming, epoch: int) -> None:
        written(self, epoch)
        time.sleep(1)

    resume.Resuming.epoch_ends = epoch_ends
    Path(given["task"]["folder"]).with_name(f"worker.{os.getpid()}").touch()
    ray_train._work(given)
