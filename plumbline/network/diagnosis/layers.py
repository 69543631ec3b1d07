"""What each layer does with a few training rows: units that died, gradients, weights' norms."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from plumbline.network import backend
from plumbline.network.architectures import Network
from plumbline.network.diagnosis.evidence import Layer

RECTIFIERS = frozenset({"relu", "relu6"})
"""Activations whose units can die: 0, with gradient 0, for every row."""

Values = Sequence[np.ndarray]


Probe = Callable[[], tuple[dict[str, Any], list[Any]]]
"""Gives the outputs of the layers that were asked for, by name, and the gradient of the loss over
the probed rows by each trainable weight; as the network predicts, and as the weights stand."""

SAID = "/said"
"""The training model's own output among those of its layers; no layer is named so."""


def probed(training: Network, start: Values, rows: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Every layer with weights or with rectified units, as the weights stand.

    start: the model's weights before training, as `get_weights` gives them. rows: `x` and `y`
    of a few training rows, as the loop takes them. The weights are as before afterwards;
    nothing random is drawn.
    """
    kept, owners = training.get_weights(), _owners(training)
    run = _probe(training, rows)
    outputs, after = run()
    last = _arrays(training.trainable_variables)
    training.set_weights(start)
    _, before = run()
    first = _arrays(training.trainable_variables)
    training.set_weights(kept)
    dead = {name: _dead(given) for name, given in outputs.items()}
    gradients = _arrays(before), _arrays(after)

    def seen(name: str) -> Layer:
        places = owners.get(name)
        if not places:
            return Layer(name=name, dead=dead.get(name))
        return Layer(
            name=name,
            dead=dead.get(name),
            weights=(_norm(first, places), _norm(last, places)),
            gradients=(_norm(gradients[0], places), _norm(gradients[1], places)),
        )

    return tuple(seen(name) for name in dict.fromkeys([*owners, *dead]))


def _probe(training: Network, rows: Mapping[str, Any]) -> Probe:
    import keras

    rectified = {one.name: one.output for one in training.layers if _rectifies(one)}
    inner = keras.Model(training.input, {SAID: training.output, **rectified})
    if backend.name() == "tensorflow":
        from plumbline.network.diagnosis.tensorflow_probe import probe
    else:
        from plumbline.network.diagnosis.jax_probe import probe
    return probe(training, inner, SAID, rows)


def _arrays(tensors: Iterable[Any]) -> list[np.ndarray]:
    import keras

    return [np.array(keras.ops.convert_to_numpy(one), dtype=np.float64) for one in tensors]


def _norm(values: Values, places: list[int]) -> float:
    return float(sum(np.square(values[at]).sum() for at in places) ** 0.5)


def _owners(training: Network) -> dict[str, list[int]]:
    """Places among the trainable variables, by the name of the model's own layer."""
    places = {id(one): at for at, one in enumerate(training.trainable_variables)}
    owned = {
        layer.name: [places[id(one)] for one in layer.trainable_variables]
        for layer in training.layers
    }
    return {name: found for name, found in owned.items() if found}


def _dead(outputs: Any) -> float:
    """Share of the units that are 0 for every row; of each member's units, for an ensemble."""
    (values,) = _arrays([outputs])
    # Of an image's feature maps one channel is a unit.
    axes = tuple(range(values.ndim - 1)) if values.ndim > 3 else 0
    return float(np.mean((values == 0).all(axis=axes)))


def _rectifies(layer: Any) -> bool:
    """Whether its outputs are rectified, and a Functional model can be cut there."""
    import keras

    named = getattr(getattr(layer, "activation", None), "__name__", "")
    rectified = named in RECTIFIERS or isinstance(layer, keras.layers.ReLU)
    return rectified and len(layer._inbound_nodes) == 1
