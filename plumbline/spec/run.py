"""How a run is carried out. No option here changes a number, or is part of a version."""

from pydantic import Field

from plumbline.spec.options import Options


class RunSpec(Options):
    """Limits of the pipeline's runs, and their place in the queue."""

    max_hours: float | None = Field(default=24.0, gt=0)
    """A run that takes longer is stopped and fails (hours); what it finished is kept. Unset: the
    limit of Dagster's instance holds. The daemon watches it."""

    priority: int = 0
    """Queued runs with a higher number start first; may be negative."""

    processes: int = Field(default=1, ge=1, le=64)
    """Processes that stages run in at once (count). 1: one stage after the other in the run's own
    process, which has the least overhead. More: each stage has a process of its own, and stages
    that do not read each other run side by side. On a Ray cluster: jobs at once."""
