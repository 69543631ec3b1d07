"""What each stage's version depends on: one table, of all stages in the order they run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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


def _network(spec: PipelineSpec) -> Options:
    # Rows are the same, in the same order, from wherever they are fed.
    left_out = {"feeding", *(["augmentation"] if spec.network.augmentation is None else [])}
    software = ("keras", keras_backend(), "numpy", *(["pillow"] if spec.source.images else []))
    return {
        "network": spec.network.model_dump(mode="json", exclude=left_out),
        "accelerator": accelerator(),
        "own_code": own_code(spec.network.architecture),
        "backend": keras_backend(),
        "environment": installed(*software),
    }


def _baseline(spec: PipelineSpec) -> Options:
    return {"seed": spec.baselines.seed, "confidence": spec.baselines.confidence}


def _estimating(spec: PipelineSpec) -> Options:
    return {
        "network": _dump(spec.network),
        "seeds": spec.verdict.seeds,
        "accelerator": accelerator(),
    }


_LABEL = ("label", "positive_label", "task", "classes")

_METRICS = ("plumbline.metrics", "plumbline.spec.metrics")

_BASELINE = (
    *(
        f"plumbline.baselines.{name}"
        for name in (
            *("blocks", "examples", "fitted", "importances"),
            *("predictor", "score", "training"),
        )
    ),
    *_METRICS,
)

_BOOSTED = ("plumbline.baselines.boosted_trees", "plumbline.baselines.native")

# Without its proofs, which change no parameter.
_NORMALIZATION = tuple(
    f"plumbline.normalization.{name}"
    for name in (
        *("apply", "columns", "fit", "matrix", "moments"),
        *("normal", "parameters", "quantiles", "scales", "vocabulary"),
    )
)

_DIFF = ("diff", "differences", "effect", "pair", "places", "ranges", "values")

# Without its figures: a picture drawn anew is no reason to read the test split again.
_EVALUATION = (
    *_METRICS,
    "plumbline.decision",
    *(
        f"plumbline.evaluation.{name}"
        for name in (
            *("evaluate", "sides", "decisions"),
            *("comparison", "significance", "seeds", "judging", "candidates"),
            *("slices", "weak_segments", "complexity"),
        )
    ),
)

# Without archives and signatures, which are of a bundle and not in it.
_RELEASE = tuple(
    f"plumbline.release.{name}"
    for name in (
        *("agreement", "arrays", "building", "bundle", "card", "card_data", "card_decision"),
        *("card_results", "description", "expectations", "golden", "inventory", "keras_layers"),
        *("layout", "manifest", "markdown", "opened", "predictors", "provenance", "raw"),
        *("scaler", "treatments"),
    )
)

# Who is champion is no input: a promotion is an event. By this version a bundle is put forward
# once; a comparison's own version names the champion, too, and is what a run records.
_PROMOTION = (
    *_METRICS,
    *(f"plumbline.promotion.{name}" for name in ("comparison", "entrants", "field", "rule")),
    "plumbline.promotion.sample",
    *(f"plumbline.evaluation.{name}" for name in ("comparison", "seeds", "sides", "significance")),
)

# Without its picture, and without the files and tables that a pipeline does not score.
_SCORING = tuple(
    f"plumbline.scoring.{name}"
    for name in (
        *("answers", "batch", "blocks", "file_sources", "file_target"),
        *("judging", "rejects", "snapshots", "work"),
    )
)

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
            *(f"plumbline.history.{name}" for name in _DIFF),
            "plumbline.extract.snapshot_sql",
        ),
        options=lambda _: {},
        inputs=("split", "previous_snapshot"),
    ),
    "normalization": Stage(
        code=(
            *_NORMALIZATION,
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
        code=(*_BASELINE, "plumbline.baselines.dummy", "plumbline.baselines.linear"),
        options=lambda spec: {
            **_baseline(spec),
            "environment": installed("scikit-learn", "numpy"),
        },
        inputs=("normalization",),
    ),
    "random_forest": Stage(
        code=(*_BASELINE, "plumbline.baselines.random_forest", "plumbline.baselines.forest_arrays"),
        options=lambda spec: {
            **_baseline(spec),
            "forest_gib": spec.baselines.forest_gib,
            "environment": installed("scikit-learn", "numpy"),
        },
        inputs=("normalization",),
    ),
    "xgboost": Stage(
        code=(*_BASELINE, *_BOOSTED, "plumbline.baselines.early_stopping"),
        options=lambda spec: {
            **_baseline(spec),
            "early_stopping": spec.baselines.early_stopping,
            "accelerator": accelerator(),
            "environment": installed("xgboost", "numpy"),
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
        code=("plumbline.network", *_METRICS, "plumbline.spec.tasks"),
        options=_network,
        inputs=("normalization",),
    ),
    "network_seeds": Stage(
        # What it trains with is in the version of the network.
        code=("plumbline.evaluation.further_networks",),
        options=lambda spec: {
            "seeds": spec.verdict.seeds,
            "environment": _network(spec)["environment"],
        },
        inputs=("network",),
    ),
    "evaluation": Stage(
        code=_EVALUATION,
        options=lambda spec: {
            **_dump(spec.evaluation),
            "decision": _dump(spec.decision),
            "verdict": spec.verdict.model_dump(mode="json", exclude={"seeds"}),
        },
        inputs=("baseline_gate", "network", "network_seeds"),
    ),
    "release": Stage(
        code=_RELEASE,
        options=lambda spec: {"golden_rows": spec.release.golden_rows},
        inputs=("evaluation",),
    ),
    "promotion": Stage(
        code=_PROMOTION,
        options=lambda spec: {
            "promotion": _dump(spec.promotion),
            "evaluation": _dump(spec.evaluation),
            "max_test_reads": spec.verdict.max_test_reads,
        },
        inputs=("release", "floor"),
    ),
    "predictions": Stage(
        code=_SCORING,
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
    code=("plumbline.search", "plumbline.network", *_METRICS),
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
