"""The network beside trees on public tables, with their published splits.

    python benchmarks/tables.py FOLDER [--set adult ...] [--seeds 3] [--show]

FOLDER holds NAME/data.parquet and NAME/split_idx.npz. Each table takes the pipeline's way from
PostgreSQL to normalized rows (see public_tables.py). The network is trained by Plumbline's own
recipe for the task (--options declares otherwise), stopped by val, once per seed; the test rows
are opened once, when all of a table's models are trained. XGBoost has its library's defaults:
the pipeline's own baseline, or the library called here where the label is a number or has
several classes, which the pipeline's baseline does not know yet.

What was measured is kept in docs/networks-measured.json, and docs/networks-measured.md is
written from it; --show writes it anew without training.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import tables_shown
from public_tables import FLIGHTS, SOURCES, Prepared, prepared

from plumbline.baselines import boosted_trees, random_forest
from plumbline.evaluation.comparison import judge
from plumbline.evaluation.sides import Side
from plumbline.metrics.delong import delong_interval
from plumbline.network import backend
from plumbline.network.examples import Examples, Units
from plumbline.network.fitting import fit, goal_of
from plumbline.network.metrics import measured
from plumbline.normalization.matrix import Matrix
from plumbline.spec import EvaluationSpec, NetworkSpec

RESULTS = Path(__file__).parents[1] / "docs" / "networks-measured.json"
SETS = ("adult", "california", "covertype", "bank_marketing", FLIGHTS)
BESIDE_BOTH = ("bank_marketing", FLIGHTS)
"""Tables on which the forest is measured, too."""
NETWORK, XGBOOST, FOREST = "network", "xgboost", "random_forest"

Run = dict[str, Any]
Scoring = Callable[[Matrix], np.ndarray]


@contextmanager
def timed(run: Run) -> Iterator[None]:
    """Adds seconds, of wall and of all cores together."""
    wall, cores = time.perf_counter(), time.process_time()
    yield
    run["seconds"] = time.perf_counter() - wall
    run["cpu_seconds"] = time.process_time() - cores


def network(table: Prepared, options: NetworkSpec, run: Run) -> Scoring:
    train, val = table.split.train(), table.split.validation()
    with timed(run):
        fitted = fit(train, val, table.normalization, options, None)
    run |= {
        "epochs": len(fitted.history["loss"]),
        "best_epoch": fitted.best_epoch,
        "parameters": fitted.parameters,
        "hyperparameters": fitted.hyperparameters,
    }
    return fitted.predictor.predict


def xgboost(table: Prepared, seed: int, run: Run) -> Scoring:
    import xgboost

    train = table.split.train()
    if train.coding.task == "binary":
        with timed(run):
            return boosted_trees.fit(train, table.normalization, seed).predictor.predict
    rows = Examples.of(train, table.normalization)
    numbers, categories = len(rows.matrix.numeric_names), len(rows.matrix.category_names)
    kind = xgboost.XGBRegressor if train.coding.task == "regression" else xgboost.XGBClassifier
    model = kind(
        random_state=seed,
        n_jobs=os.cpu_count(),
        enable_categorical=True,
        feature_types=["q"] * numbers + ["c"] * categories,
    )
    with timed(run):
        model.fit(rows.matrix.dense(), rows.labels)
    said = model.predict if kind is xgboost.XGBRegressor else model.predict_proba
    return lambda matrix: said(matrix.dense()).astype(np.float64)


def forest(table: Prepared, seed: int, run: Run) -> Scoring:
    with timed(run):
        fitted = random_forest.fit(table.split.train(), table.normalization, seed)
    return fitted.predictor.predict


def measure(
    name: str, data: Path, options: NetworkSpec, seeds: int, *, baselines_only: bool
) -> dict[str, Any]:
    """All runs on one table, the test rows opened when the last is trained."""
    with tempfile.TemporaryDirectory() as folder:
        table = prepared(name, data, Path(folder))
        runs: list[Run] = []
        scorings: list[Scoring] = []
        for seed in range(seeds):
            kinds = [XGBOOST, FOREST] if name in BESIDE_BOTH else [XGBOOST]
            for kind in kinds if baselines_only else [NETWORK, *kinds]:
                run: Run = {"model": kind, "seed": seed}
                if kind == NETWORK:
                    chosen = options.model_copy(update={"seed": seed})
                    scorings.append(network(table, chosen, run))
                else:
                    fit_trees = {XGBOOST: xgboost, FOREST: forest}[kind]
                    scorings.append(fit_trees(table, seed, run))
                runs.append(run)
                print(name, kind, seed, f"{run['seconds']:.1f} s", flush=True)
        return {
            "rows": table.split.counts,
            "task": table.split.train().coding.task,
            "features": len(table.normalization.numeric_names + table.normalization.category_names),
            "runs": runs,
            **judged(table, runs, scorings, options),
        }


def judged(
    table: Prepared, runs: list[Run], scorings: list[Scoring], options: NetworkSpec
) -> dict[str, Any]:
    """Adds val and test metrics to the runs; intervals where the task is binary."""
    train = table.split.train()
    goal = goal_of(train, options)
    units = Units.of(train.labels(), goal)
    names = [f"{run['model']}-{run['seed']}" for run in runs]
    sides = {"val": table.split.validation(), "test": table.test(names)}
    scores: dict[str, list[np.ndarray]] = {}
    labels: dict[str, np.ndarray] = {}
    for side, rows in sides.items():
        examples = Examples.of(rows, table.normalization)
        labels[side] = examples.labels
        scores[side] = [scoring(examples.matrix) for scoring in scorings]
        for run, said in zip(runs, scores[side], strict=True):
            run[side] = measured(goal, units, examples.labels, said)
            if goal.task == "binary":
                run[side]["auc_interval"] = asdict(delong_interval(examples.labels, said, 0.95))
    if goal.task != "binary":
        return {}
    first = [at for at, run in enumerate(runs) if run["seed"] == 0]
    told = {runs[at]["model"]: scores["test"][at] for at in first}
    on_val = {
        runs[at]["model"]: delong_interval(labels["val"], scores["val"][at], 0.95) for at in first
    }
    test = Side(task="binary", labels=labels["test"], scores=told, options=EvaluationSpec())
    return {"verdict": asdict(judge(test, on_val))}


def environment() -> dict[str, Any]:
    names = ("keras", "tensorflow", "jax", "xgboost", "scikit-learn")
    return {
        "backend": backend.name(),
        "cores": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in names},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="?", help="folder of the tables")
    parser.add_argument("--set", nargs="+", choices=(*SOURCES, FLIGHTS), default=SETS, dest="sets")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model (count)")
    parser.add_argument("--options", type=json.loads, default={}, help="network options, JSON")
    parser.add_argument("--baselines-only", action="store_true", help="no network")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--show", action="store_true", help="only write the table anew")
    chosen = parser.parse_args()
    results = json.loads(chosen.results.read_text("utf-8")) if chosen.results.exists() else {}
    if not chosen.show:
        if chosen.data is None or not chosen.data.is_dir():
            parser.error(f"no folder of tables at {chosen.data}")
        options = NetworkSpec(**chosen.options)
        for name in chosen.sets:
            found = measure(
                name, chosen.data, options, chosen.seeds, baselines_only=chosen.baselines_only
            )
            results[name] = {**found, **environment(), "options": chosen.options}
            chosen.results.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    text = tables_shown.document(results)
    chosen.results.with_suffix(".md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
