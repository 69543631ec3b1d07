"""Draw the pictures of docs/pictures.md from the demo's results. Run `make demo` first."""

import json
from collections.abc import Iterator
from pathlib import Path

from assets.workbench import Workbench
from pipelines.cli import DEMO_VERSIONS
from pipelines.definitions import ROOT
from pipelines.loading import pipeline
from plumbline.audit import report
from plumbline.decision.decision import FILE, Decision
from plumbline.environment import store_location
from plumbline.evaluation import figures
from plumbline.evaluation.figures.of_evaluation import Draw
from plumbline.postgres import postgres
from plumbline.registry import Registry
from plumbline.scoring.figure import of_predictions
from plumbline.scoring.snapshots import PREDICTIONS
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion

PIPELINE = "flights"
IMAGES = Path(__file__).parent / "images"
OF_EVALUATION = ("intervals", "roc", "precision_recall", "reliability", "threshold", "confusion")


def main() -> None:
    for name, draw in _draws(_bench()):
        image = draw()
        if image:
            kind = "png" if image.startswith(b"\x89PNG") else "svg"
            (IMAGES / f"picture_{name}.{kind}").write_bytes(image)


def _bench() -> Workbench:
    server = postgres()
    return Workbench(
        spec=pipeline(PIPELINE),
        root=ROOT,
        dataset_version=DatasetVersion(DEMO_VERSIONS[PIPELINE]),
        postgres=server,
        registry=Registry.open(server),
        store=ArtifactStore.at(store_location()),
    )


def _draws(bench: Workbench) -> Iterator[tuple[str, Draw]]:
    yield "split", lambda: figures.split_bars(bench.split.certificate)
    yield "histograms", lambda: _histograms(report.load(bench.folder("audit")))
    fitted = bench.normalization
    yield (
        "scaled_features",
        lambda: figures.scaled_features(fitted.numeric, fitted.row_count, fitted.method),
    )
    yield "importances", lambda: figures.importances(bench.baseline("xgboost").importances())
    yield "gate", lambda: figures.gate(bench.gate.evidence)
    if (network := bench.network) is not None:
        best = network.training["best_epoch"]
        yield (
            "learning_curves",
            lambda: figures.learning_curves(network.history, best, network.metric),
        )
    val = figures.WinnersVal(
        labels=bench.split.validation().labels(), scores=bench.winner.val_scores()
    )
    of_evaluation = figures.of_evaluation(bench.evaluation, val)
    yield from ((name, of_evaluation[name]) for name in OF_EVALUATION)
    yield "predictions", lambda: _predictions(bench)


def _histograms(found: report.Report) -> bytes | None:
    named = {finding.column for finding in found.findings}
    return figures.histograms(found.profile["columns"], named, found.profile["sample"]["rows"])


def _predictions(bench: Workbench) -> bytes:
    record = json.loads((bench.folder("release") / "bundle" / FILE).read_text("utf-8"))
    return of_predictions(bench.folder("predictions") / PREDICTIONS, Decision.from_json(record))


if __name__ == "__main__":
    main()
