"""The part of the declaration, and of the environment, that each stage's version depends on."""

from typing import Any

from plumbline.environment import accelerator, installed, keras_backend
from plumbline.network.architectures.own import own_code
from plumbline.spec import PipelineSpec
from plumbline.versions import code_version

Options = dict[str, Any]


def dump(options: Any) -> Options:
    return options.model_dump(mode="json")


def source(spec: PipelineSpec, *names: str) -> Options:
    return {name: getattr(spec.source, name) for name in names}


def normalizing(spec: PipelineSpec) -> Options:
    images = {name: dump(one) for name, one in spec.source.images.items()}
    return {
        "normalization": dump(spec.normalization),
        **source(spec, "drop", "kinds"),
        **({"images": images} if images else {}),
    }


def trained_on(spec: PipelineSpec) -> str:
    """What models are trained on. Ray's workers see the GPUs that are declared."""
    if spec.execution.engine == "local":
        return accelerator()
    return "gpu" if spec.execution.gpus_per_worker else "cpu"


def shared(spec: PipelineSpec) -> Options:
    """Who trains together. One worker trains alike on every engine, and is not named."""
    execution = spec.execution
    if execution.workers == 1:
        return {}
    return {"execution": {"engine": execution.engine, "workers": execution.workers}}


def sharing_rows(spec: PipelineSpec) -> Options:
    """What decides which worker brings which rows to XGBoost, where there are several."""
    if spec.execution.workers == 1:
        return {}
    return {"workers_code": code_version("plumbline.distribution.boosting")}


def network(spec: PipelineSpec) -> Options:
    # Rows are the same, in the same order, from wherever they are fed.
    left_out = {"feeding", *(["augmentation"] if spec.network.augmentation is None else [])}
    software = ("keras", keras_backend(), "numpy", *(["pillow"] if spec.source.images else []))
    return {
        "network": spec.network.model_dump(mode="json", exclude=left_out),
        "accelerator": trained_on(spec),
        "own_code": own_code(spec.network.architecture),
        "backend": keras_backend(),
        "environment": installed(*software),
        **shared(spec),
    }


def baseline(spec: PipelineSpec) -> Options:
    return {"seed": spec.baselines.seed, "confidence": spec.baselines.confidence}


def estimating(spec: PipelineSpec) -> Options:
    return {
        "network": dump(spec.network),
        "seeds": spec.verdict.seeds,
        "accelerator": trained_on(spec),
    }
