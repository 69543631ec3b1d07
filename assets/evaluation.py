"""The evaluation: candidates on val, then one counted look at the test split, and a verdict."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets import calibration, readings
from assets.pictures import Draw, pictures
from assets.recording import materialized, table
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.baselines.training import Baseline
from plumbline.evaluation import decisions, evaluate, figures, tables
from plumbline.evaluation.candidates import Candidate, further_kind
from plumbline.evaluation.judging import Demands
from plumbline.network.training import TrainedNetwork
from plumbline.side_by_side import side_by_side
from plumbline.spec import PipelineSpec
from plumbline.split import ledger


def evaluation_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "evaluation",
        _evaluate,
        after=["random_forest", "xgboost", "network", "network_seeds"],
        kinds={"numpy"},
        description="NETWORK, BASELINE or INCONCLUSIVE, on identical test rows.",
        checks={**readings.CHECKS, **calibration.CHECKS},
        blocking=False,
    )


def _evaluate(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "evaluation",
        lambda folder: evaluate.build(
            _candidates(bench),
            bench.split,
            bench.normalization,
            bench.spec.evaluation,
            lambda: _open_test(bench),
            folder,
            _demands(bench),
            bench.spec.decision,
        ),
    )
    evaluation = bench.evaluation
    _record(bench, evaluation)
    return materialized(
        bench,
        "evaluation",
        folder=made.folder,
        reused=made.reused,
        checks=[readings.check(bench), calibration.check(bench.spec, evaluation)],
        metadata={
            "decision": evaluation.decision,
            "reason": evaluation.reason,
            "winner": evaluation.winner,
            **readings.told(bench),
            **{f"{side}_rows": count for side, count in evaluation.rows.items()},
            **_numbers(evaluation),
            **_gain(evaluation),
            "scores": table(evaluate.summary(evaluation)),
            "decisions": table(decisions.summary(evaluation.candidates)),
            "complexity": table(tables.complexity(evaluation)),
            "slices_table": table(tables.slices(evaluation)),
            "seeds_table": table(tables.seeds(evaluation)),
            "versions_table": table(side_by_side(bench.registry, bench.spec.name)),
            **pictures(bench, [made.folder, bench.winner.folder], _figures(bench)),
        },
    )


def _numbers(evaluation: evaluate.Evaluation) -> dict[str, float]:
    """What Dagster plots over time: what decides, of every candidate; all of the winner on test."""
    metric, winner = evaluation.metric, evaluation.candidates[evaluation.winner]
    return {
        **{
            f"{side}_{metric}_{kind}": one[side][metric]["value"]
            for side in evaluation.rows
            for kind, one in evaluation.candidates.items()
        },
        **{f"test_{name}": measured["value"] for name, measured in winner["test"].items()},
    }


def _figures(bench: Workbench) -> Mapping[str, Draw]:
    val = figures.WinnersVal(
        labels=bench.split.validation().labels(), scores=bench.winner.val_scores()
    )
    grouped = bench.spec.source.group is not None
    return figures.of_evaluation(bench.evaluation, val, grouped=grouped)


def _gain(evaluation: evaluate.Evaluation) -> dict[str, float]:
    """Of the network over the best baseline on the test rows; none where there is no network."""
    ends = {"gain": "value", "gain_low": "low", "gain_high": "high"}
    found = evaluation.comparison["difference"]
    return {name: found[end] for name, end in ends.items()} if found else {}


def _candidates(bench: Workbench) -> list[Candidate]:
    return [_candidate(model, model.training["kind"]) for model in bench.candidates]


def _candidate(model: Baseline | TrainedNetwork, kind: str) -> Candidate:
    return Candidate(
        kind=kind,
        model_version=model.model_version,
        predictor=model.predictor(),
        val_scores=model.val_scores(),
        seed=model.training["hyperparameters"].get("seed"),
        cost=model.training,
    )


def _demands(bench: Workbench) -> Demands:
    return Demands(
        spec=bench.spec.verdict,
        kinds=bench.spec.source.kinds,
        further=[
            _candidate(model, further_kind(seed))
            for seed, model in zip(bench.further_seeds, bench.further, strict=True)
        ],
        reading=lambda: ledger.reading(
            bench.registry,
            *(bench.spec.name, bench.dataset_version, bench.chain.version("evaluation")),
        ),
    )


def _open_test(bench: Workbench):
    return ledger.open_test(
        bench.split,
        bench.registry,
        model_versions=[model.model_version for model in (*bench.candidates, *bench.further)],
        purpose=f"evaluation {bench.chain.version('evaluation')[:12]}",
        asked_by=bench.chain.version("evaluation"),
    )


def _record(bench: Workbench, evaluation: evaluate.Evaluation) -> None:
    bench.record_verdict(
        "evaluation",
        evaluation,
        {
            "gate": bench.chain.version("baseline_gate"),
            "split_version": bench.chain.split,
            "winner": evaluation.winner,
            "comparison": evaluation.comparison,
            "seeds": evaluation.seeds,
            "slices": evaluation.slices,
            "reads": evaluation.reads,
        },
        # It names what a row takes, which another training measures anew.
        volatile=["reason"] if bench.spec.verdict.max_latency_ms else [],
    )
    version = bench.chain.version("evaluation")
    for row in evaluate.rows(evaluation):
        bench.registry.record("evaluations", evaluation_version=version, **row, **bench.identity)
