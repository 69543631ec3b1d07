"""An architecture of the user's own: a Python function that returns a `keras.Model`.

It is declared as `module:function` and called as the built-in ones are,

    def network(table: Table, outputs: int, recipe: Recipe) -> keras.Model: ...

and what it returns is checked before anything is trained: see docs/own-architecture.md.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from plumbline.errors import SpecError
from plumbline.network.architectures.features import inputs
from plumbline.network.architectures.outputs import HEADS
from plumbline.network.auxiliary import head_of
from plumbline.network.recipe import Recipe
from plumbline.network.serialized import foreign
from plumbline.network.table import Table
from plumbline.spec.auxiliary import MAIN
from plumbline.versions import code_version


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

    Several heads of the label become one output (n, heads, outputs), the predicting one first.

    Raises:
        SpecError: there is no such function, or what it returns cannot be trained or released.
    """
    made = _function(recipe.architecture)(table, outputs, recipe)
    given = _inputs(made, table, recipe.architecture)
    heads, auxiliary = _heads(made, table, recipe.architecture)
    _require_width(heads, outputs, recipe.architecture)
    for name, width in table.auxiliary.items():
        _require_width([auxiliary[name]], width, recipe.architecture, f"{name!r}, ")
    _require_readable(made, recipe.architecture)
    return _model(table, given, heads, auxiliary, made.name)


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
    wanted = {name: (one.shape, one.dtype) for name, one in inputs(table).items()}
    for one in made.inputs:
        if wanted.get(one.name) != (one.shape, one.dtype):
            raise _refused(
                architecture,
                f"a model with input {one.name!r} of shape {one.shape}, {one.dtype}",
                " and ".join(f"{k!r} of shape {n}, {t}" for k, (n, t) in wanted.items()),
                "take them from plumbline.network.architectures.features.inputs(table)",
            )
    return {one.name: one for one in made.inputs}


def _heads(made: Any, table: Table, architecture: str) -> tuple[list[Any], dict[str, Any]]:
    """The label's heads, the predicting one first; and other columns' by their names."""
    import keras

    given = made.outputs if isinstance(made, keras.Sequential) else made.output
    if not isinstance(given, dict):
        _require_named(table.auxiliary, {}, architecture)
        return list(given) if isinstance(given, list | tuple) else [given], {}
    _require_named((MAIN, *table.auxiliary), given, architecture)
    own = sorted(given.keys() - table.auxiliary.keys(), key=lambda name: (name != MAIN, name))
    return [given[name] for name in own], {name: given[name] for name in table.auxiliary}


def _require_named(wanted: Iterable[str], given: Mapping[str, Any], architecture: str) -> None:
    missing = [name for name in wanted if name not in given]
    if missing:
        raise _refused(
            architecture,
            f"outputs named {', '.join(map(repr, sorted(given)))}" if given else "unnamed outputs",
            f"one each named {', '.join(map(repr, missing))}: {MAIN!r} is the prediction, others "
            "learn the columns under network.auxiliary",
            "return a dict of outputs by these names",
        )


def _require_width(heads: list[Any], width: int, architecture: str, whose: str = "") -> None:
    dimensions = (2,) if len(heads) > 1 else (2, 3)
    for one in heads:
        if len(one.shape) not in dimensions or one.shape[-1] != width:
            raise _refused(
                architecture,
                f"a model with an output {whose}of shape {one.shape}",
                f"shape (None, {width}): one column for each raw output",
                "end it in features.raw_outputs(hidden, outputs), and what learns another column "
                "in keras.layers.Dense(table.auxiliary[name])",
            )


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


def _model(
    table: Table,
    given: dict[str, Any],
    heads: list[Any],
    auxiliary: dict[str, Any],
    name: str,
) -> Any:
    """A model with all inputs, read or not, and an output for the label and each column."""
    import keras

    said: Any = _joined(heads)
    if auxiliary:
        said = {MAIN: said, **{head_of(one): output for one, output in auxiliary.items()}}
    return keras.Model({**inputs(table), **given}, said, name=name)


def _joined(heads: list[Any]) -> Any:
    import keras

    if len(heads) == 1:
        return heads[0]
    rows = [keras.layers.Reshape((1, one.shape[-1]))(one) for one in heads]
    return keras.layers.Concatenate(axis=1, name=HEADS)(rows)
