"""JAX only: whether a network's batches may be taken apart, and whether that pays on a CPU.

They may not where layers look at several rows: batch normalization does, and remembers them;
layers that mix rows do, as MixUp. It is tried out, which holds for any layer.
"""

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from plumbline.network.architectures import Network

ROWS = 8
"""That are tried (count)."""

LEAST = 4e6
"""Operations of a batch's forward pass from which on two replicas were faster than one device:
exchanging gradients takes 45 µs, however small the network (count)."""

LEAST_PER_WEIGHT = 100
"""The same for each weight, which every replica exchanges and moves (count)."""

_QUICKLY: dict[str, Any] = {"xla_backend_optimization_level": 0}
"""It runs twice: compiling is what takes time."""

_known: WeakKeyDictionary[Network, bool] = WeakKeyDictionary()


def pays(training: Network, size: int) -> bool:
    """Whether a CPU's replicas are faster than one device with batches of `size` rows.

    It goes by the network alone: no core is counted, nothing timed.
    """
    trial = _Trial(training)
    operations = trial.lowered().cost_analysis()["flops"] * size / ROWS
    return operations >= max(LEAST, LEAST_PER_WEIGHT * training.count_params())


def independent(training: Network) -> bool:
    """Whether shares of a batch may be trained on apart.

    That is so with Keras' own `train_step`, if no row's outputs depend on another row, and if no
    variable moves but by the optimizer or because a random number was drawn.
    """
    if training not in _known:
        _known[training] = _may(training) and _tried(training)
    return _known[training]


def _may(training: Network) -> bool:
    import keras

    normalizing = keras.layers.BatchNormalization
    return type(training).train_step is keras.Model.train_step and not any(
        isinstance(layer, normalizing) for layer in training._flatten_layers()
    )


def _tried(training: Network) -> bool:
    """Outputs of the first rows while the others change, with the same random numbers."""
    import jax

    trial = _Trial(training)
    outputs = trial.lowered().compile(_QUICKLY)
    said, after = outputs(*trial.variables, trial.rows)
    again, _ = outputs(*trial.variables, jax.tree.map(_changed, trial.rows))
    same = jax.tree.leaves(jax.tree.map(np.array_equal, said, again))
    return all(same) and all(_unmoved(training, after))


class _Trial:
    """A forward pass in training, of a few random rows."""

    def __init__(self, training: Network):
        import jax

        draw = np.random.default_rng(0)
        self._jax: Any = jax
        self._training = training
        # Not the weights of the beginning: where they are 0, they hide what lies below.
        weights = [_near(one.value, draw) for one in training.trainable_variables]
        self.variables = weights, [one.value for one in training.non_trainable_variables]
        self.rows = jax.tree.map(lambda one: _drawn(one, draw), training.input)

    def lowered(self) -> Any:
        return self._jax.jit(self._outputs).lower(*self.variables, self.rows)

    def _outputs(self, weights: Any, fixed: Any, rows: Any) -> Any:
        """For the first half of the rows; and the other variables' values."""
        said, after = self._training.stateless_call(weights, fixed, rows, training=True)
        return self._jax.tree.map(lambda one: one[: ROWS // 2], said), after


def _near(weight: Any, draw: np.random.Generator) -> np.ndarray:
    return np.asarray(weight) + draw.normal(scale=0.1, size=weight.shape).astype(weight.dtype)


def _drawn(tensor: Any, draw: np.random.Generator) -> np.ndarray:
    """Rows for an input: standard normal numbers, or 0 and 1."""
    shape = (ROWS, *tensor.shape[1:])
    kind = np.dtype(tensor.dtype)
    found = draw.standard_normal(shape) if kind.kind == "f" else draw.integers(0, 2, shape)
    return found.astype(kind)


def _changed(rows: np.ndarray) -> np.ndarray:
    """The second half otherwise."""
    return np.concatenate([rows[: ROWS // 2], 1 - rows[ROWS // 2 :]])


def _unmoved(training: Network, after: Any) -> Iterator[bool]:
    """For every variable that is neither a trainable weight nor a seed."""
    weights = {id(one) for one in training.non_trainable_weights}
    for variable, value in zip(training.non_trainable_variables, after, strict=True):
        if id(variable) in weights:
            yield np.array_equal(variable.value, value)
