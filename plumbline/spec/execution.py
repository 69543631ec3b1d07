"""Where models are trained: in the run's own process, in several, or on a Ray cluster."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from plumbline.spec.options import Options

LOCAL = "local"
_ADDRESS = re.compile(r"https?://[^\s/@]+:\d{1,5}/?")


class ExecutionSpec(Options):
    """Where the stages run that train XGBoost and the networks, and by how many workers. Other
    stages have one process each. With one worker no option here changes a number; with more, the
    engine and their number are part of the versions of XGBoost and of the networks."""

    engine: Literal["local", "ray"] = "local"
    """local: on the machine that the run is on. ray: training functions are handed to Ray Train,
    and stages are Ray jobs; needs the extra: pip install plumbline[ray]."""
    address: str = LOCAL
    """Of the Ray cluster: http://HOST:PORT, where its head takes jobs (the port is 8265 unless
    set otherwise). local: a cluster of the run's own on this machine, for as long as one training
    takes. Only for engine ray."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that train one model together (count); each batch is shared among them."""
    gpus_per_worker: int = Field(default=0, ge=0, le=8)
    """GPUs that each worker has for itself (count). 0: they train on CPUs. Only for engine ray."""
    max_failures: int = Field(default=3, ge=0, le=100)
    """Times that one training is taken up again from its last checkpoint after a worker or its
    node is lost (count), before the stage fails. Of no effect where the run's own process trains:
    its rerun takes the training up."""

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        if value != LOCAL and not _ADDRESS.fullmatch(value):
            # Not quoted: it may hold a password, which no declaration should.
            raise ValueError(
                "this is no address that takes Ray jobs: write http://HOST:8265, "
                "or local for a cluster of the run's own"
            )
        return value.rstrip("/")

    @model_validator(mode="after")
    def _of_the_engine(self) -> Self:
        if self.engine == "ray":
            return self
        for name in ("address", "gpus_per_worker"):
            if (given := getattr(self, name)) != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} is {given}, and only engine ray has it; set engine: ray, "
                    "or leave it out"
                )
        return self

    @property
    def on_cluster(self) -> bool:
        """Whether stages are sent to a Ray cluster that is there already."""
        return self.engine == "ray" and self.address != LOCAL
