"""Our training loop beside `keras.Model.fit` and PyTorch: the same network, rows and batches.

    python benchmarks/training.py [--backend tensorflow jax] [--rows 20000 200000]
                                  [--batch 256 4096] [--rounds 3] [--torch PYTHON]

A network of 256 and 128 ReLU units and one output is trained with Adam on rows of 40 normal
numbers that lie in memory as float32 arrays. Each side runs in a process of its own and takes
turns with the others; a first epoch, in which things are compiled, is not counted. Rates are
of the fastest of the rounds, which is what the code can do; the spread stands beside it. The
ceiling is what the matrix products of a step alone would allow, measured by the same backend.
PyTorch is no dependency: `--torch` names a Python that has it.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WIDTH, HIDDEN, EPOCHS, VAL_ROWS = 40, (256, 128), 4, 50_000
LEAST = {"tensorflow": 1.5, "jax": 1.2}
"""Ratio to `fit(numpy)` that must be shown for 200,000 rows in batches of 256."""

Seconds = Iterator[float]
Rows = tuple[Any, Any, Any, Any]


def table(rows: int) -> Rows:
    """Training and validation rows: the label follows some products of the numbers."""
    import numpy as np

    draw = np.random.default_rng(rows)
    x = draw.standard_normal((rows + VAL_ROWS, WIDTH), dtype=np.float32)
    signal = x[:, :8].sum(1) + 2 * x[:, 8] * x[:, 9] + 2 * x[:, 10] * x[:, 11]
    y = (signal + draw.normal(scale=2, size=len(x)) > 0).astype(np.float32)[:, None]
    return x[:rows], y[:rows], x[rows:], y[rows:]


def compiled(**options: Any) -> Any:
    """The network, as every Keras side trains it."""
    from plumbline.network import backend

    backend.prepare()
    import keras

    keras.utils.set_random_seed(0)
    hidden = first = keras.Input((WIDTH,), name="x")
    for units in HIDDEN:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    network: Any = keras.Model({"x": first}, keras.layers.Dense(1)(hidden))
    network.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        **{"jit_compile": backend.jit_compile(), **options},
    )
    return network


def plumbline(rows: Rows, batch: int) -> tuple[list[float], float]:
    import keras
    import numpy as np

    from plumbline.network.loop import epochs
    from plumbline.network.loop.feed import InMemory
    from plumbline.network.loop.steps import steps

    x, y, *val = rows
    network = compiled()
    stepping = steps(network)
    clock = Clock()
    epochs.fit(
        network,
        stepping,
        InMemory(stepping, {"x": {"x": x}, "y": y}, len(x), seed=0),
        epochs=1 + EPOCHS,
        batch_size=lambda _: batch,
        rates=lambda _, count: np.ones(count),
        validate=dict,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=clock.tick)],
    )
    return clock.seconds, auc(network, *val)


def fit_numpy(rows: Rows, batch: int) -> tuple[list[float], float]:
    x, y, *val = rows
    network = compiled()
    return fitted(network, val, x={"x": x}, y=y, batch_size=batch)


def fit_tf_data(rows: Rows, batch: int) -> tuple[list[float], float]:
    """As TensorFlow's guide to performance advises; several steps per execution on TensorFlow."""
    import tensorflow as tf

    x, y, *val = rows
    several = {"steps_per_execution": 32} if os.environ["KERAS_BACKEND"] == "tensorflow" else {}
    network = compiled(**several)
    # Shuffled numbers, whole batches gathered: faster than shuffling and batching the rows.
    order = tf.data.Dataset.range(len(x)).shuffle(len(x), reshuffle_each_iteration=True)
    here, there = tf.constant(x), tf.constant(y)
    batches = order.batch(batch).map(
        lambda one: ({"x": tf.gather(here, one)}, tf.gather(there, one)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return fitted(network, val, x=batches.prefetch(tf.data.AUTOTUNE))


def fitted(network: Any, val: Any, **given: Any) -> tuple[list[float], float]:
    import keras

    clock = Clock()
    callback = keras.callbacks.LambdaCallback(on_epoch_end=clock.tick)
    network.fit(**given, epochs=1 + EPOCHS, verbose=0, callbacks=[callback])
    return clock.seconds, auc(network, *val)


def auc(network: Any, x: Any, y: Any) -> float:
    from plumbline.baselines.auc import auc as area

    return area(y[:, 0], network.predict({"x": x}, batch_size=4096, verbose=0)[:, 0])


def torch_eager(rows: Rows, batch: int) -> tuple[list[float], float]:
    return torch_loop(rows, batch, lambda step: step)


def torch_compiled(rows: Rows, batch: int) -> tuple[list[float], float]:
    import torch

    return torch_loop(rows, batch, torch.compile)


def torch_loop(rows: Rows, batch: int, prepare: Callable) -> tuple[list[float], float]:
    """Rows as tensors, permuted indices: the usual fast loop, without a DataLoader."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count() or 1)
    x, y, val_x, val_y = map(torch.from_numpy, rows)
    sizes = (WIDTH, *HIDDEN)
    layers: list[Any] = []
    for before, after in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 1))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    loss = torch.nn.BCEWithLogitsLoss()
    forward = prepare(lambda rows, labels: loss(network(rows), labels))
    clock = Clock()
    for _ in range(1 + EPOCHS):
        order = torch.randperm(len(x))
        for at in range(0, len(x), batch):
            here = order[at : at + batch]
            optimizer.zero_grad(set_to_none=True)
            forward(x[here], y[here]).backward()
            optimizer.step()
        clock.tick()
    with torch.no_grad():
        scores = network(val_x)[:, 0].numpy()
    ranks = np.argsort(np.argsort(scores)) + 1.0
    ones = val_y.numpy()[:, 0] == 1
    low = ones.sum() * (ones.sum() + 1) / 2
    return clock.seconds, float((ranks[ones].sum() - low) / ones.sum() / (~ones).sum())


def ceiling(rows: Rows, batch: int) -> tuple[list[float], float]:
    """The matrix products of as many steps, nothing else."""
    x = rows[0]
    clock = Clock()
    products = tensorflow_products if os.environ["KERAS_BACKEND"] == "tensorflow" else jax_products
    run = products(batch, -(-len(x) // batch))
    for _ in range(1 + EPOCHS):
        run()
        clock.tick()
    return clock.seconds, float("nan")


def tensorflow_products(batch: int, steps: int) -> Callable[[], Any]:
    import tensorflow as tf

    x = tf.ones((batch, WIDTH))
    weights = [tf.Variable(tf.ones(shape)) for shape in shapes()]

    def step(number: Any) -> Any:
        for one, gradient in zip(weights, products(x, weights, tf.transpose), strict=True):
            one.assign_sub(1e-9 * gradient)
        return number + 1

    zero = tf.constant(0)
    return tf.function(
        lambda: tf.while_loop(lambda n: n < steps, step, [zero], parallel_iterations=1)
    )


def jax_products(batch: int, steps: int) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    x = jnp.ones((batch, WIDTH))

    def step(_: Any, weights: Any) -> Any:
        moved = zip(weights, products(x, weights, jnp.transpose), strict=True)
        return [one - 1e-9 * gradient for one, gradient in moved]

    start = [jnp.ones(shape) for shape in shapes()]
    loop = jax.jit(lambda weights: jax.lax.fori_loop(0, steps, step, weights))
    return lambda: jax.block_until_ready(loop(start))


def shapes() -> list[tuple[int, int]]:
    sizes = (WIDTH, *HIDDEN, 1)
    return list(itertools.pairwise(sizes))


def products(x: Any, weights: Any, transposed: Callable[[Any], Any]) -> list[Any]:
    """Forward and backward products of one step: the gradient of each weight."""
    inputs = [x]
    for weight in weights:
        inputs.append(inputs[-1] @ weight)
    gradients, back = [], inputs[-1]
    for weight, given in zip(reversed(weights), reversed(inputs[:-1]), strict=True):
        gradients.insert(0, transposed(given) @ back)
        back = back @ transposed(weight)
    return gradients


class Clock:
    """Seconds of each epoch after the first."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last: float | None = None

    def tick(self, *_: Any) -> None:
        now = time.perf_counter()
        if self._last is not None:
            self.seconds.append(now - self._last)
        self._last = now


SIDES: dict[str, Callable[[Rows, int], tuple[list[float], float]]] = {
    "plumbline": plumbline,
    "fit(numpy)": fit_numpy,
    "fit(tf.data)": fit_tf_data,
    "matrix products": ceiling,
}
TORCH = {"PyTorch eager": torch_eager, "PyTorch compiled": torch_compiled}


def peak() -> float:
    """Peak memory of this process (MiB)."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    ]
    return int(line.split()[1]) / 1024


def one_side(name: str, rows: int, batch: int) -> None:
    seconds, area = (SIDES | TORCH)[name](table(rows), batch)
    print(json.dumps({"rate": rows * len(seconds) / sum(seconds), "auc": area, "peak": peak()}))


def measured(python: str, backend: str, name: str, rows: int, batch: int) -> dict[str, float]:
    command = [python, __file__, "--side", name, "--rows", str(rows), "--batch", str(batch)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{name} on {backend} failed:\n{ended.stderr[-2000:]}")
    return json.loads(ended.stdout.splitlines()[-1])


def compare(backend: str, rows: int, batch: int, rounds: int, torch: str | None) -> float:
    """Measure all sides in turns and print them; returns our ratio to `fit(numpy)`."""
    sides = dict.fromkeys(SIDES, sys.executable)
    if torch and backend == "tensorflow":  # PyTorch is the same beside either backend
        sides |= dict.fromkeys(TORCH, torch)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, python in sides.items():
            found[name].append(measured(python, backend, name, rows, batch))
    best = {name: max(one["rate"] for one in runs) for name, runs in found.items()}
    print(f"\n{backend}, {rows:,} rows x {WIDTH}, batches of {batch}")
    print(f"{'':18}{'rows/s':>10}{'lowest':>10}{'of fit':>8}{'of ceiling':>12}{'AUC':>8}{'MiB':>8}")
    for name, runs in found.items():
        print(
            f"{name:18}{best[name]:>10,.0f}{min(one['rate'] for one in runs):>10,.0f}"
            f"{best[name] / best['fit(numpy)']:>8.2f}{best[name] / best['matrix products']:>12.2f}"
            f"{runs[0]['auc']:>8.4f}{max(one['peak'] for one in runs):>8,.0f}",
            flush=True,
        )
    return best["plumbline"] / best["fit(numpy)"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", nargs="+", default=list(LEAST), choices=list(LEAST))
    parser.add_argument("--rows", nargs="+", type=int, default=[20_000, 200_000])
    parser.add_argument("--batch", nargs="+", type=int, default=[256, 4096])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--side", choices=[*SIDES, *TORCH], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        one_side(given.side, given.rows[0], given.batch[0])
        return 0
    failed = 0
    for backend in given.backend:
        for rows in given.rows:
            for batch in given.batch:
                ratio = compare(backend, rows, batch, given.rounds, given.torch)
                if (rows, batch) == (200_000, 256) and ratio < LEAST[backend]:
                    print(f"below the {LEAST[backend]} that must be shown", file=sys.stderr)
                    failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
