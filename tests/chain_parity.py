"""The test rows of a finished pipeline: as they were evaluated, and every other way."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from score_ways import every_way, scores_of

from assets.workbench import Workbench
from plumbline.evaluation.evaluate import TEST_SCORES
from plumbline.release import manifest
from plumbline.scoring.snapshots import PREDICTIONS
from plumbline.split.rows import TEST

PARITY = 1e-6
"""How far scores may be apart; of a regression as a share of the largest one."""


def require_chain_parity(bench: Workbench, folder: Path) -> None:
    """The winner's scores of the test rows, by evaluation, predictions, batch, HTTP and bundle."""
    here, winner = bench.split.assignment == TEST, bench.evaluation.winner
    table = pq.read_table(bench.folder("evaluation") / TEST_SCORES)
    evaluated = np.array(table[winner].to_pylist())
    bundle = bench.folder("release") / "bundle"
    names = [one.name for one in manifest.read(bundle).inputs]
    raw = pa.Table.from_batches(bench.snapshot.batches(names)).combine_chunks().to_batches()[0]
    found = every_way(bundle, raw.filter(pa.array(here)), folder)
    found["predictions"] = scores_of(pq.read_table(bench.folder("predictions") / PREDICTIONS))[here]
    scale = np.abs(evaluated).max() if bench.spec.source.task == "regression" else 1
    for way, scores in found.items():
        np.testing.assert_allclose(scores, evaluated, rtol=0, atol=PARITY * scale, err_msg=way)
    assert len(evaluated) >= 50
    assert "Calibration: " in (bundle / "card.md").read_text("utf-8")
