"""An architecture of the user's own: a Python function that returns a `keras.Model`.

It is declared as `module:function` and called as the built-in ones are,

    def network(table: Table, outputs: int, recipe: Recipe) -> keras.Model: ...

and what it returns is checked before anything is trained: see docs/own-architecture.md.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from plumbline.errors import SpecError
from plumbline.network.architectures.features import inputs
from plumbline.network.recipe import Recipe
from plumbline.network.serialized import foreign
from plumbline.network.table import Table
from plumbline.versions import code_version

HEADS = "heads"
"""Layer that joins several heads; the first of them is the prediction."""

MAIN = "main"
"""Name of the head that predicts, where the outputs have names."""

_THROUGH = frozenset({"Reshape", "Flatten", "Identity", "Squeeze", "ExpandDims"})
"""Operations that leave every value as it is."""


def is_own(architecture: str) -> bool:
    """Whether it names a function of the user's."""
    return ":" in architecture


def own_code(architecture: str) -> str | None:
    """Digest of the source of the user's module; None for an architecture of Plumbline's.

    Raises:
        SpecError: there is no such module.
    """
    if not is_own(architecture):
        return None
    module = architecture.partition(":")[0]
    try:
        return code_version(module)
    except ModuleNotFoundError as error:
        raise _no_module(architecture, error) from error


def untrained(table: Table, outputs: int, recipe: Recipe) -> Any:
    """What the user's function returns, as a Functional model with inputs numeric and codes.

    Several heads become one output (n, heads, outputs), the predicting one first.

    Raises:
        SpecError: there is no such function, or what it returns cannot be trained or released.
    """
    made = _function(recipe.architecture)(table, outputs, recipe)
    given = _inputs(made, table, recipe.architecture)
    heads = _heads(made, outputs, recipe.architecture)
    _require_readable(made, recipe.architecture)
    return _model(table, given, heads, made.name)


def predicting(network: Any) -> Any:
    """The output that is the prediction: (n, outputs), or (n, members, outputs).

    Of several heads the first, (n, 1, outputs); the others have only helped to train.
    """
    operation, given = _made_by(network.output)
    return given[0] if operation.name == HEADS else network.output


def last_activation(network: Any) -> str:
    """Keras' name of the activation that the prediction ends in; linear where there is none."""
    return _activation(predicting(network))


def _activation(tensor: Any) -> str:
    import keras

    operation, given = _made_by(tensor)
    kind = type(operation).__name__
    if kind in _THROUGH:
        return _activation(given[0])
    if isinstance(operation, keras.Model):
        return _activation(operation.outputs[tensor._keras_history.tensor_index])
    if hasattr(operation, "activation"):
        return getattr(operation.activation, "__name__", "linear")
    return kind.lower() if kind in ("Sigmoid", "Softmax", "Relu", "ReLU", "Tanh") else "linear"


def _made_by(tensor: Any) -> tuple[Any, list[Any]]:
    """The operation that a symbolic tensor comes from, and what was given to it."""
    operation, node, _ = tensor._keras_history
    return operation, operation._inbound_nodes[node].input_tensors


def _function(architecture: str) -> Callable[..., Any]:
    module, _, name = architecture.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise _no_module(architecture, error) from error
    if not callable(found):
        raise SpecError(
            f"network.architecture {architecture!r}: module {module} has no function {name!r}",
            expected="def NAME(table, outputs, recipe) in that module, returning a keras.Model",
            remedy="correct the name behind the colon",
        )
    return found


def _no_module(architecture: str, error: ModuleNotFoundError) -> SpecError:
    return SpecError(
        f"network.architecture {architecture!r}: {error}",
        expected="module:function that Python can import",
        remedy="correct the name, or put the module's folder on PYTHONPATH",
    )


def _refused(architecture: str, found: str, expected: str, remedy: str) -> SpecError:
    return SpecError(
        f"network.architecture {architecture!r} returned {found}", expected=expected, remedy=remedy
    )


def _inputs(made: Any, table: Table, architecture: str) -> dict[str, Any]:
    """The model's inputs by name."""
    import keras

    if not isinstance(made, keras.Model) or not getattr(made, "inputs", None):
        raise _refused(
            architecture,
            f"a {type(made).__name__}" + (" without inputs" if hasattr(made, "layers") else ""),
            "a keras.Model made of its inputs and outputs (the Functional API)",
            "end the function in `return keras.Model(inputs, outputs)`",
        )
    wanted = {
        "numeric": (len(table.numeric_names), "float32"),
        "codes": (len(table.cardinalities), "int32"),
    }
    for one in made.inputs:
        shape = (one.shape[-1], one.dtype)
        if len(one.shape) != 2 or wanted.get(one.name) != shape:
            raise _refused(
                architecture,
                f"a model with input {one.name!r} of shape {one.shape}, {one.dtype}",
                " and ".join(f"{k!r} of shape (None, {n}), {t}" for k, (n, t) in wanted.items()),
                "take them from plumbline.network.architectures.features.inputs(table)",
            )
    return {one.name: one for one in made.inputs}


def _heads(made: Any, outputs: int, architecture: str) -> list[Any]:
    """The model's outputs, the predicting one first."""
    import keras

    given = made.outputs if isinstance(made, keras.Sequential) else made.output
    if isinstance(given, dict):
        if MAIN not in given:
            raise _refused(
                architecture,
                f"outputs named {', '.join(map(repr, sorted(given)))}",
                f"one of them to be named {MAIN!r}: the prediction",
                "rename it, or return one output",
            )
        given = [given[name] for name in sorted(given, key=lambda name: (name != MAIN, name))]
    heads = list(given) if isinstance(given, list | tuple) else [given]
    dimensions = (2,) if len(heads) > 1 else (2, 3)
    for one in heads:
        if len(one.shape) not in dimensions or one.shape[-1] != outputs:
            raise _refused(
                architecture,
                f"a model with an output of shape {one.shape}",
                f"shape (None, {outputs}): one column for each raw output of the task",
                "end it in features.raw_outputs(hidden, outputs)",
            )
    return heads


def _require_readable(made: Any, architecture: str) -> None:
    """Refuse what a released bundle could not hold, before time is spent on training it."""
    import keras

    try:
        config = keras.saving.serialize_keras_object(made)
        named = next(foreign(config), None)
        if named is None:
            keras.saving.deserialize_keras_object(config, safe_mode=True)
    except (NotImplementedError, TypeError, ValueError) as error:
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _refused(
            architecture,
            f"a model that cannot be written and read again: {problem}",
            "layers of Keras and of Plumbline, with Keras' own activations by their names",
            "build it of those",
        ) from error
    if named is not None:
        raise _refused(
            architecture,
            f"a model that holds {named}",
            "layers of Keras and of Plumbline that hold no code: a bundle is opened where "
            "your module is not",
            "build it of keras.layers, keras.ops and plumbline.network.layers",
        )


def _model(table: Table, given: dict[str, Any], heads: list[Any], name: str) -> Any:
    """A model with both inputs, read or not, and one output."""
    import keras

    return keras.Model({**inputs(table), **given}, _joined(heads), name=name)


def _joined(heads: list[Any]) -> Any:
    import keras

    if len(heads) == 1:
        return heads[0]
    rows = [keras.layers.Reshape((1, one.shape[-1]))(one) for one in heads]
    return keras.layers.Concatenate(axis=1, name=HEADS)(rows)
