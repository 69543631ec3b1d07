"""What a network's outputs come from, whichever architecture it has."""

from typing import Any

from plumbline.network.auxiliary import head_of
from plumbline.network.table import Table
from plumbline.spec.auxiliary import MAIN

HEADS = "heads"
"""Layer that joins several heads of the label, of which the first predicts."""

_THROUGH = frozenset({"Reshape", "Flatten", "Identity", "Squeeze", "ExpandDims"})
"""Operations that leave every value as it is."""


def by_head(network: Any) -> dict[str, Any]:
    """The outputs by the names of their heads: the label's is `MAIN`."""
    return network.output if isinstance(network.output, dict) else {MAIN: network.output}


def predicting(network: Any, head: str = MAIN) -> Any:
    """The output of a head: (n, outputs), or (n, members, outputs).

    Of several heads of the label the first, (n, 1, outputs); the others only help to train.
    """
    said = by_head(network)[head]
    operation, given = made_by(said)
    return given[0] if operation.name == HEADS else said


def last_activation(network: Any, head: str = MAIN) -> str:
    """Keras' name of the activation that a head ends in; linear where there is none."""
    return _activation(predicting(network, head))


def _activation(tensor: Any) -> str:
    import keras

    operation, given = made_by(tensor)
    kind = type(operation).__name__
    if kind in _THROUGH:
        return _activation(given[0])
    if isinstance(operation, keras.Model):
        return _activation(operation.outputs[tensor._keras_history.tensor_index])
    if hasattr(operation, "activation"):
        return getattr(operation.activation, "__name__", "linear")
    return kind.lower() if kind in ("Sigmoid", "Softmax", "Relu", "ReLU", "Tanh") else "linear"


def made_by(tensor: Any) -> tuple[Any, list[Any]]:
    """The operation that a symbolic tensor comes from, and what was given to it."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node].input_tensors


def with_auxiliary(network: Any, table: Table) -> Any:
    """The network with a head for each column that is learned beside the label.

    Each is a layer like the network's last one, and reads what that reads.
    """
    import keras

    last, (hidden,) = made_by(network.output)
    outputs = {MAIN: network.output}
    for number, (name, width) in enumerate(table.auxiliary.items(), 1):
        options = {**last.get_config(), "units": width, "name": f"auxiliary_{number}"}
        outputs[head_of(name)] = type(last).from_config(options)(hidden)
    return keras.Model(network.input, outputs, name=network.name)
