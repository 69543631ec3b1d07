"""Run configuration: what the launchpad of a pipeline's job opens with, and how it is written."""

from assets.run_options import RunOptions
from pipelines.automation.runs import snapshot_config
from plumbline.spec import PipelineSpec


def options_config(options: RunOptions) -> dict:
    """Run configuration that hands `options` to every stage."""
    return {"resources": {"plumbline": {"config": {"run_options": options.model_dump()}}}}


def filled(spec: PipelineSpec) -> dict:
    """Every run option by its name, as declared: nothing has to be looked up to change one."""
    return {**snapshot_config(spec, {}), **options_config(RunOptions())}
