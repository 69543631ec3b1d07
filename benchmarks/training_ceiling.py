"""What a step's matrix products alone allow, on the backend's devices that share the batches."""

import itertools
import os
from collections.abc import Callable
from typing import Any

from training_sides import EPOCHS, HIDDEN, WIDTH, Clock, Measured, Rows, compiled, sharing


def products_alone(rows: Rows, batch: int) -> Measured:
    """The products of as many steps as the other sides take, nothing else."""
    x = rows[0]
    clock = Clock()
    made = {"tensorflow": of_tensorflow, "jax": of_jax}[os.environ["KERAS_BACKEND"]]
    run = made(batch, -(-len(x) // batch))
    for _ in range(1 + EPOCHS):
        run()
        clock.tick()
    return clock.seconds, float("nan")


def of_tensorflow(batch: int, steps: int) -> Callable[[], Any]:
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


def of_jax(batch: int, steps: int) -> Callable[[], Any]:
    """Each device that takes a share of the batches has weights of its own."""
    count = sharing(compiled(), batch)
    import jax
    import jax.numpy as jnp

    x = jnp.ones((batch // count, WIDTH))

    def step(_: Any, weights: Any) -> Any:
        moved = zip(weights, products(x, weights, jnp.transpose), strict=True)
        return [one - 1e-9 * gradient for one, gradient in moved]

    def loop(weights: Any) -> Any:
        return jax.lax.fori_loop(0, steps, step, weights)

    mesh = jax.make_mesh((count,), ("replica",))
    alike = jax.sharding.PartitionSpec()
    every = jax.jit(
        jax.shard_map(loop, mesh=mesh, in_specs=alike, out_specs=alike, check_vma=False)
    )
    start = [jnp.ones(shape) for shape in shapes()]
    return lambda: jax.block_until_ready(every(start))


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
