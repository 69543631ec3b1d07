"""What each stage's version depends on: one table, of all stages in the order they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from plumbline import stage_code
from plumbline.environment import accelerator, installed, keras_backend
from plumbline.network.architectures.own import own_code
from plumbline.spec import PipelineSpec
from plumbline.versions import code_version, fingerprint

Options = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a stage's version depends on beside its inputs."""

    code: tuple[str, ...]
    """Packages whose source decides its numbers."""
    options: Callable[[PipelineSpec], Options]
    """The part of the declaration, and of the environment, that it reads."""
    inputs: tuple[str, ...]
    """Stages whose results it reads."""


def _dump(options: Any) -> Options:
    return options.model_dump(mode="json")


def _source(spec: PipelineSpec, *names: str) -> Options:
    return {name: getattr(spec.source, name) for name in names}


def _normalizing(spec: PipelineSpec) -> Options:
    images = {name: _dump(one) for name, one in spec.source.images.items()}
    return {
        "normalization": _dump(spec.normalization),
        **_source(spec, "drop", "kinds"),
        **({"images": images} if images else {}),
    }


def _accelerator(spec: PipelineSpec) -> str:
    """What models are trained on. Ray's workers see the GPUs that are declared."""
    if spec.execution.engine == "local":
        return accelerator()
    return "gpu" if spec.execution.gpus_per_worker else "cpu"


def _shared(spec: PipelineSpec) -> Options:
    """Who trains together. One worker trains alike on every engine, and is not named."""
    execution = spec.execution
    if execution.workers == 1:
        return {}
    return {"execution": {"engine": execution.engine, "workers": execution.workers}}


def _network(spec: PipelineSpec) -> Options:
    # Rows are the same, in the same order, from wherever they are fed.
    left_out = {"feeding", *(["augmentation"] if spec.network.augmentation is None else [])}
    software = ("keras", keras_backend(), "numpy", *(["pillow"] if spec.source.images else []))
    return {
        "network": spec.network.model_dump(mode="json", exclude=left_out),
        "accelerator": _accelerator(spec),
        "own_code": own_code(spec.network.architecture),
        "backend": keras_backend(),
        "environment": installed(*software),
        **_shared(spec),
    }


def _baseline(spec: PipelineSpec) -> Options:
    return {"seed": spec.baselines.seed, "confidence": spec.baselines.confidence}


def _estimating(spec: PipelineSpec) -> Options:
    return {
        "network": _dump(spec.network),
        "seeds": spec.verdict.seeds,
        "accelerator": _accelerator(spec),
    }


_LABEL = ("label", "positive_label", "task", "classes")

STAGES: Mapping[str, Stage] = {
    "split": Stage(
        code=(
            "plumbline.split",
            *(f"plumbline.extract.{name}" for name in ("labels", "features", "snapshot_sql")),
        ),
        options=lambda spec: {
            "split": _dump(spec.split),
            **_source(spec, *_LABEL, "key", "timestamp", "group", "drop", "kinds"),
            # Named only where it is declared, so that earlier versions stay what they are.
            **(_source(spec, "weight") if spec.source.weight else {}),
            **({"labels": spec.source.label_columns} if spec.source.task == "multilabel" else {}),
        },
        inputs=("snapshot",),
    ),
    "audit": Stage(
        code=(
            "plumbline.audit",
            *(
                f"plumbline.extract.{name}"
                for name in ("features", "images", "precision", "sampling")
            ),
        ),
        options=lambda spec: {
            "audit": _dump(spec.audit),
            "on_schema_change": spec.source.on_schema_change,
            **_normalizing(spec),
        },
        inputs=("split", "previous_snapshot", "audit_sql"),
    ),
    "version_diff": Stage(
        code=(
            *(f"plumbline.history.{name}" for name in stage_code.DIFF),
            "plumbline.extract.snapshot_sql",
        ),
        options=lambda _: {},
        inputs=("split", "previous_snapshot"),
    ),
    "normalization": Stage(
        code=(
            *stage_code.NORMALIZATION,
            *(f"plumbline.extract.{name}" for name in ("features", "images", "sampling")),
        ),
        options=_normalizing,
        inputs=("split",),
    ),
    "training_features": Stage(
        code=("plumbline.training_features",),
        options=lambda spec: {"table": spec.training_features and spec.training_features.table},
        inputs=("normalization",),
    ),
    "floor": Stage(
        code=(*stage_code.BASELINE, "plumbline.baselines.dummy", "plumbline.baselines.linear"),
        options=lambda spec: {
            **_baseline(spec),
            "environment": installed("scikit-learn", "numpy"),
        },
        inputs=("normalization",),
    ),
    "random_forest": Stage(
        code=(
            *stage_code.BASELINE,
            "plumbline.baselines.random_forest",
            "plumbline.baselines.forest_arrays",
        ),
        options=lambda spec: {
            **_baseline(spec),
            "forest_gib": spec.baselines.forest_gib,
            "environment": installed("scikit-learn", "numpy"),
        },
        inputs=("normalization",),
    ),
    "xgboost": Stage(
        code=(*stage_code.BASELINE, *stage_code.BOOSTED, "plumbline.baselines.early_stopping"),
        options=lambda spec: {
            **_baseline(spec),
            "early_stopping": spec.baselines.early_stopping,
            "accelerator": _accelerator(spec),
            "environment": installed("xgboost", "numpy"),
            **_shared(spec),
        },
        inputs=("normalization",),
    ),
    "optimism": Stage(
        # What it trains with, and the split, are in the version of what it reads.
        code=("plumbline.baselines.optimism",),
        options=lambda _: {},
        inputs=("xgboost",),
    ),
    "baseline_gate": Stage(
        code=("plumbline.baselines.gate", "plumbline.training_cost"),
        options=lambda spec: {
            "sufficient_score": spec.baselines.sufficient_score,
            "gate": _dump(spec.gate),
            "metric": spec.evaluation.metric,
            # An estimate reads what is to be trained, and on what.
            **(_estimating(spec) if spec.gate.max_network_cost else {}),
        },
        inputs=("random_forest", "xgboost"),
    ),
    "network": Stage(
        code=("plumbline.network", *stage_code.METRICS, "plumbline.spec.tasks"),
        options=_network,
        inputs=("normalization",),
    ),
    "network_seeds": Stage(
        # What it trains with is in the version of the network.
        code=("plumbline.evaluation.further_networks",),
        options=lambda spec: {
            "seeds": spec.verdict.seeds,
            "environment": _network(spec)["environment"],
            **_shared(spec),
        },
        inputs=("network",),
    ),
    "evaluation": Stage(
        code=stage_code.EVALUATION,
        options=lambda spec: {
            **_dump(spec.evaluation),
            "decision": _dump(spec.decision),
            "verdict": spec.verdict.model_dump(mode="json", exclude={"seeds"}),
        },
        inputs=("baseline_gate", "network", "network_seeds"),
    ),
    "release": Stage(
        code=stage_code.RELEASE,
        options=lambda spec: {"golden_rows": spec.release.golden_rows},
        inputs=("evaluation",),
    ),
    "promotion": Stage(
        code=stage_code.PROMOTION,
        options=lambda spec: {
            "promotion": _dump(spec.promotion),
            "evaluation": _dump(spec.evaluation),
            "max_test_reads": spec.verdict.max_test_reads,
        },
        inputs=("release", "floor"),
    ),
    "predictions": Stage(
        code=stage_code.SCORING,
        options=lambda _: {},
        inputs=("release",),
    ),
    "guard_drill": Stage(
        code=("plumbline.drill",),
        options=lambda _: {},
        inputs=("normalization",),
    ),
}


def _searching(spec: PipelineSpec) -> Options:
    space = spec.network.search.space if spec.network.search else {}
    named = space.get("architecture", [])
    return {
        **STAGES["network"].options(spec),
        "own_codes": [own_code(one) for one in named] if isinstance(named, list) else [],
        "search_environment": installed("optuna"),
    }


SEARCH = Stage(
    code=("plumbline.search", "plumbline.network", *stage_code.METRICS),
    options=_searching,
    inputs=("normalization",),
)


def stages(spec: PipelineSpec) -> Mapping[str, Stage]:
    """The stages of a pipeline, each after its inputs. A search is one where it is declared."""
    if spec.network.search is None:
        return STAGES
    listed, at = list(STAGES.items()), list(STAGES).index("network")
    network = replace(STAGES["network"], inputs=(*STAGES["network"].inputs, "network_search"))
    searched = {"network_search": SEARCH, "network": network}
    return {**dict(listed[:at]), **searched, **dict(listed[at + 1 :])}


def stage_code_version(spec: PipelineSpec, stage: str) -> str:
    """Code and options of one stage, without its inputs: Dagster's `code_version`."""
    described = stages(spec)[stage]
    return fingerprint(
        code={package: code_version(package) for package in described.code},
        options=described.options(spec),
    )
