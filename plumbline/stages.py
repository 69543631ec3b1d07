"""What each stage's version depends on: one table, of all stages in the order they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from plumbline import stage_code
from plumbline import stage_options as options
from plumbline.environment import installed
from plumbline.network.architectures.own import own_code
from plumbline.spec import PipelineSpec
from plumbline.stage_options import Options
from plumbline.versions import code_version, fingerprint


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a stage's version depends on beside its inputs."""

    code: tuple[str, ...]
    """Packages whose source decides its numbers."""
    options: Callable[[PipelineSpec], Options]
    """The part of the declaration, and of the environment, that it reads."""
    inputs: tuple[str, ...]
    """Stages whose results it reads."""


_LABEL = ("label", "positive_label", "task", "classes")

STAGES: Mapping[str, Stage] = {
    "split": Stage(
        code=(
            "plumbline.split",
            *(f"plumbline.extract.{name}" for name in ("labels", "features", "snapshot_sql")),
        ),
        options=lambda spec: {
            "split": options.dump(spec.split),
            **options.source(spec, *_LABEL, "key", "timestamp", "group", "drop", "kinds"),
            # Named only where it is declared, so that earlier versions stay what they are.
            **(options.source(spec, "weight") if spec.source.weight else {}),
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
            "audit": options.dump(spec.audit),
            "on_schema_change": spec.source.on_schema_change,
            **options.normalizing(spec),
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
        options=options.normalizing,
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
            **options.baseline(spec),
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
            **options.baseline(spec),
            "forest_gib": spec.baselines.forest_gib,
            "environment": installed("scikit-learn", "numpy"),
        },
        inputs=("normalization",),
    ),
    "xgboost": Stage(
        code=(*stage_code.BASELINE, *stage_code.BOOSTED, "plumbline.baselines.early_stopping"),
        options=lambda spec: {
            **options.baseline(spec),
            "early_stopping": spec.baselines.early_stopping,
            "accelerator": options.trained_on(spec),
            "environment": installed("xgboost", "numpy"),
            **options.shared(spec),
            **options.sharing_rows(spec),
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
            "gate": options.dump(spec.gate),
            "metric": spec.evaluation.metric,
            # An estimate reads what is to be trained, and on what.
            **(options.estimating(spec) if spec.gate.max_network_cost else {}),
        },
        inputs=("random_forest", "xgboost"),
    ),
    "network": Stage(
        code=(
            "plumbline.network",
            "plumbline.normalization.prepared",
            *stage_code.METRICS,
            "plumbline.spec.tasks",
        ),
        options=options.network,
        inputs=("normalization",),
    ),
    "network_seeds": Stage(
        # What it trains with is in the version of the network.
        code=("plumbline.evaluation.further_networks",),
        options=lambda spec: {
            "seeds": spec.verdict.seeds,
            "environment": options.network(spec)["environment"],
            **options.shared(spec),
        },
        inputs=("network",),
    ),
    "evaluation": Stage(
        code=stage_code.EVALUATION,
        options=lambda spec: {
            **options.dump(spec.evaluation),
            "decision": options.dump(spec.decision),
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
            "promotion": options.dump(spec.promotion),
            "evaluation": options.dump(spec.evaluation),
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
