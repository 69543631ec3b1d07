"""What a user declares. `type: pipelines.TrainingPipeline` in a defs.yaml is this package's.

It is imported when it is asked for: the commands that score a bundle start without Dagster.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.training_pipeline import TrainingPipeline

__all__ = ["TrainingPipeline"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipelines import training_pipeline

    return getattr(training_pipeline, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
