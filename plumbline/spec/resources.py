"""What the pipeline's stages may take of their machine. No option here changes a number."""

from pydantic import Field

from plumbline.spec.options import Options


class ResourcesSpec(Options):
    """What the pipeline's stages may take of their machine."""

    memory_gib: float | None = Field(default=None, gt=0)
    """Memory that a stage may hold (GiB). What would not fit is worked on from disk, block by
    block, with the same results. Unset: what is free when the stage starts."""
