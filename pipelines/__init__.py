"""What a user declares. `type: pipelines.TrainingPipeline` in a defs.yaml is this package's."""

from pipelines.training_pipeline import TrainingPipeline

__all__ = ["TrainingPipeline"]
