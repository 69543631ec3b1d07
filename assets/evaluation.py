"""The evaluation: candidates on val, then one counted look at the test split, and a verdict."""

from pathlib import Path

import dagster as dg

from assets import calibration, readings
from assets.recording import materialized, picture, table
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.baselines.training import Baseline
from plumbline.evaluation import decisions, evaluate, tables
from plumbline.evaluation.candidates import Candidate, further_kind
from plumbline.evaluation.judging import Demands
from plumbline.network.training import TrainedNetwork
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
            **{
                f"test_{evaluation.metric}_{kind}": scores["test"][evaluation.metric]["value"]
                for kind, scores in evaluation.candidates.items()
            },
            "scores": table(evaluate.summary(evaluation)),
            "decisions": table(decisions.summary(evaluation.candidates)),
            "complexity": table(tables.complexity(evaluation)),
            "slices_table": table(tables.slices(evaluation)),
            "seeds_table": table(tables.seeds(evaluation)),
            **{
                path.stem: picture(path.read_bytes())
                for path in sorted((made.folder / "figures").glob("*.png"))
            },
        },
    )


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
