"""The forest of a bundle beside other ways to keep the same one: size, loading, predicting.

    python benchmarks/bundle.py [--rows 20000] [--rounds 5] [--write docs/exports.md]

One forest of scikit-learn, 100 trees on rows with 20 numbers and 4 categories, is written as
Plumbline's arrays, by joblib (a pickle), as ONNX by Plumbline's export, and by skops where that
is installed. Each side runs in a process of its own, and they take turns: a process reads its
file, predicts one row again and again, and then many at once. Libraries are imported before the
clock starts. Rates and times are of the fastest round, which is what the code can do; a single
row's time is the median within a round. Memory is what loading adds, and the most that loading
and predicting add. `exact` is whether every bit is that of scikit-learn's own forest on one thread,
whose sums over trees alone have an order; else the largest difference.

Plumbline and skops use all cores as their default is; joblib's forest is asked on one core and
on all.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
NUMBERS, CATEGORIES, CODES = 20, 4, 50
MANY, SINGLES = 100_000, 30
BLOCK = re.compile(r"(<!-- forest:begin -->\n).*?(<!-- forest:end -->)", re.DOTALL)


def matrix_of(rows: int, seed: int) -> Any:
    from plumbline.normalization.matrix import FIRST_VALUE, Matrix

    draw = np.random.default_rng(seed)
    return Matrix(
        numeric=draw.standard_normal((rows, NUMBERS), dtype=np.float32),
        codes=draw.integers(FIRST_VALUE, CODES, (rows, CATEGORIES)).astype(np.int32),
        numeric_names=tuple(f"number_{at}" for at in range(NUMBERS)),
        category_names=tuple(f"code_{at}" for at in range(CATEGORIES)),
    )


def examples_of(rows: int) -> Any:
    from plumbline.baselines.examples import Examples

    matrix = matrix_of(rows, 0)
    noise = np.random.default_rng(1).normal(size=rows)
    signal = matrix.numeric[:, 0] + (matrix.codes[:, 0] % 5 == 0) + noise
    return Examples(matrix=matrix, labels=(signal > 0.5).astype(np.int8), task="binary")


def make(folder: Path, rows: int) -> None:
    """Every side's file, of one forest."""
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    from plumbline.baselines import random_forest

    given = examples_of(rows)
    theirs = RandomForestClassifier(random_state=0, n_jobs=-1)
    theirs.fit(given.matrix.dense(), given.labels)
    joblib.dump(theirs, folder / "joblib")
    if has_skops():
        import skops.io

        skops.io.dump(theirs, folder / "skops")
    theirs.n_jobs = 1
    expected = theirs.predict_proba(matrix_of(MANY, 2).dense())[:, 1]
    np.save(folder / "expected.npy", expected)
    ours = random_forest.fit_examples(given, 0).predictor
    (folder / "arrays").mkdir()
    ours.save(folder / "arrays")
    write_onnx(ours, given.matrix, folder / "onnx")


def write_onnx(forest: Any, matrix: Any, file: Path) -> None:
    """The trees alone: what they read has been transformed, as on the other sides."""
    from onnx import TensorProto, helper

    from plumbline.exports.models import forest as graph_of
    from plumbline.exports.onnx_ops import IR, ML, ML_OPSET, OPSET, Node, OnnxOps
    from plumbline.exports.scaling import Transformed

    ops = OnnxOps()
    read = Transformed(
        numeric=tuple(Node(ops, name) for name in matrix.numeric_names),
        codes=tuple(Node(ops, name) for name in matrix.category_names),
        images={},
        refused=None,
    )
    scores = graph_of(ops, forest, read)
    kinds = dict.fromkeys(matrix.numeric_names, TensorProto.FLOAT)
    kinds |= dict.fromkeys(matrix.category_names, TensorProto.INT64)
    graph = helper.make_graph(
        ops.nodes,
        "forest",
        [helper.make_tensor_value_info(name, kind, ["rows"]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(scores.name, TensorProto.DOUBLE, ["rows", 1])],
        ops.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR)
    file.write_bytes(model.SerializeToString())


def has_skops() -> bool:
    from importlib.util import find_spec

    return find_spec("skops") is not None


Predict = Callable[[Any], np.ndarray]


def arrays(folder: Path) -> Predict:
    from plumbline.baselines.random_forest import RandomForest

    return RandomForest.load(folder / "arrays").predict


def joblib_one(folder: Path, jobs: int = 1) -> Predict:
    import joblib

    forest = joblib.load(folder / "joblib")
    forest.n_jobs = jobs
    return lambda matrix: forest.predict_proba(matrix.dense())[:, 1]


def joblib_all(folder: Path) -> Predict:
    return joblib_one(folder, -1)


def skops_all(folder: Path) -> Predict:
    import skops.io

    trusted = skops.io.get_untrusted_types(file=folder / "skops")
    forest = skops.io.load(folder / "skops", trusted=trusted)
    return lambda matrix: forest.predict_proba(matrix.dense())[:, 1]


def onnx(folder: Path) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "onnx", providers=["CPUExecutionProvider"])

    def predict(matrix: Any) -> np.ndarray:
        given = dict(zip(matrix.numeric_names, matrix.numeric.T, strict=True))
        codes = matrix.codes.astype(np.int64).T
        given |= dict(zip(matrix.category_names, codes, strict=True))
        return session.run(None, given)[0][:, 0]

    return predict


SIDES: dict[str, tuple[Callable[[Path], Predict], str, str]] = {
    "Plumbline's arrays": (arrays, "arrays", "pyarrow.parquet sklearn.tree joblib"),
    "joblib, one core": (joblib_one, "joblib", "joblib sklearn.ensemble"),
    "joblib, all cores": (joblib_all, "joblib", "joblib sklearn.ensemble"),
    "skops": (skops_all, "skops", "skops.io sklearn.ensemble"),
    "ONNX Runtime": (onnx, "onnx", "onnxruntime"),
}
"""How each is read, its file, and what is imported before the clock starts."""


def answer(name: str, folder: Path) -> None:
    """One round of a side, in this process."""
    from importlib import import_module

    import plumbline.baselines.random_forest  # noqa: F401

    load, _, modules = SIDES[name]
    for module in modules.split():
        import_module(module)
    many, expected = matrix_of(MANY, 2), np.load(folder / "expected.npy")
    one, before = many.take(slice(0, 1)), resident()
    Path("/proc/self/clear_refs").write_text("5")  # the most that was resident is counted anew
    started = time.perf_counter()
    predict = load(folder)
    loaded, memory = time.perf_counter() - started, resident() - before
    singles = [timed(predict, one)[0] for _ in range(SINGLES)]
    seconds, found = timed(predict, many)
    print(
        json.dumps(
            {
                "load": loaded,
                "memory": memory,
                "single": median(singles),
                "rate": MANY / seconds,
                "peak": resident("VmHWM") - before,
                "apart": float(np.abs(found - expected).max()),
                "exact": bool(np.array_equal(found, expected)),
            }
        )
    )


def timed(predict: Predict, matrix: Any) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    found = predict(matrix)
    return time.perf_counter() - started, found


def resident(field: str = "VmRSS") -> float:
    """Memory of this process, now or at most (MiB)."""
    (line,) = re.findall(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(line) / 1024


def measured(folder: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Rounds by side; the sides take turns."""
    names = [name for name, (_, file, _) in SIDES.items() if (folder / file).exists()]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = [sys.executable, __file__, "--side", name, "--folder", str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def size(path: Path) -> float:
    """MiB."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(one.stat().st_size for one in files if one.is_file()) / 2**20


HEAD = ("", "MiB on disk", "load, s", "MiB loaded", "one row, ms", "rows/s", "MiB at most", "exact")


def table(found: dict[str, list[dict[str, Any]]], folder: Path) -> list[str]:
    """Markdown, with each side's ratio to joblib on all cores in parentheses."""
    facts = {name: facts_of(name, rounds, folder) for name, rounds in found.items()}
    base = facts["joblib, all cores"]
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for name, of in facts.items():
        told = [
            f"{value:,.{digits}f} ({value / base[key]:.2f})"
            for key, (value, digits) in (
                (key, (of[key], digits))
                for key, digits in (
                    ("disk", 1),
                    ("load", 3),
                    ("memory", 0),
                    ("single", 2),
                    ("rate", 0),
                    ("peak", 0),
                )
            )
        ]
        exact = "to the bit" if of["exact"] else f"to {of['apart']:.1g}"
        lines.append(f"| {name} | " + " | ".join([*told, exact]) + " |")
    return lines


def facts_of(name: str, rounds: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    return {
        "disk": size(folder / SIDES[name][1]),
        "load": min(one["load"] for one in rounds),
        "memory": min(one["memory"] for one in rounds),
        "single": 1e3 * min(one["single"] for one in rounds),
        "rate": max(one["rate"] for one in rounds),
        "peak": min(one["peak"] for one in rounds),
        "apart": max(one["apart"] for one in rounds),
        "exact": all(one["exact"] for one in rounds),
    }


def told(found: dict[str, list[dict[str, Any]]], folder: Path, rows: int) -> str:
    from plumbline.baselines.blocks import cores
    from plumbline.environment import installed

    names = ["scikit-learn", "joblib", "onnxruntime", *(["skops"] if has_skops() else [])]
    versions = installed(*names)
    listed = ", ".join(f"{name} {versions[name]}" for name in names)
    rounds = len(next(iter(found.values())))
    return "\n".join(
        [
            f"A forest of 100 trees grown on {rows:,} rows, and {MANY:,} rows predicted at once; "
            f"{cores()} cores, {rounds} rounds; {listed}. In parentheses: the ratio to joblib on "
            "all cores.",
            "",
            *table(found, folder),
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        answer(given.side, given.folder)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, given.rows)
        found = measured(folder, given.rounds)
        text = told(found, folder, given.rows)
    print(text)
    if given.write:
        page = given.write.read_text("utf-8")
        given.write.write_text(BLOCK.sub(lambda one: one[1] + text + one[2], page), "utf-8")
    return int(not all(one["exact"] for one in found["Plumbline's arrays"]))


if __name__ == "__main__":
    sys.exit(main())
