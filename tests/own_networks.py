"""Architectures as a user would write them, sound and unsound, for tests of `module:function`."""

from typing import Any

from plumbline.network.architectures import features
from plumbline.network.recipe import Recipe
from plumbline.network.table import Table

NOT_A_FUNCTION = 3


def _hidden(table: Table, recipe: Recipe) -> tuple[dict[str, Any], Any]:
    import keras

    given = features.inputs(table)
    width = int(recipe.options.get("width", 8))  # type: ignore[arg-type]
    hidden = keras.layers.Dense(width, "relu")(features.features(given, table, recipe))
    return given, hidden


def _ending_in(activation: str | None, table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given, hidden = _hidden(table, recipe)
    return keras.Model(given, keras.layers.Dense(outputs, activation)(hidden))


def sound(table: Table, outputs: int, recipe: Recipe) -> Any:
    return _ending_in(None, table, outputs, recipe)


def sigmoid(table: Table, outputs: int, recipe: Recipe) -> Any:
    return _ending_in("sigmoid", table, outputs, recipe)


def softmax(table: Table, outputs: int, recipe: Recipe) -> Any:
    return _ending_in("softmax", table, outputs, recipe)


def tanh(table: Table, outputs: int, recipe: Recipe) -> Any:
    return _ending_in("tanh", table, outputs, recipe)


def numbers_only(table: Table, outputs: int, recipe: Recipe) -> Any:
    """A Sequential model that reads no categories."""
    import keras

    return keras.Sequential(
        [
            keras.Input((len(table.numeric_names),), name="numeric"),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(outputs),
        ]
    )


def named_heads(table: Table, outputs: int, recipe: Recipe) -> Any:
    """A helping head half-way, and the one that predicts."""
    import keras

    given, hidden = _hidden(table, recipe)
    early = keras.layers.Dense(outputs, name="early")(hidden)
    late = keras.layers.Dense(outputs, name="late")(keras.layers.Dense(8, "relu")(hidden))
    return keras.Model(given, {"early": early, "main": late})


def listed_heads(table: Table, outputs: int, recipe: Recipe) -> Any:
    made = named_heads(table, outputs, recipe)
    import keras

    return keras.Model(made.input, [made.output["main"], made.output["early"]])


def heads_without_main(table: Table, outputs: int, recipe: Recipe) -> Any:
    made = named_heads(table, outputs, recipe)
    import keras

    return keras.Model(made.input, {"a": made.output["main"], "b": made.output["early"]})


def no_model(table: Table, outputs: int, recipe: Recipe) -> Any:
    return _hidden(table, recipe)[1]


def subclassed(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    class Mine(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs["numeric"]

    return Mine()


def another_input(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given = keras.Input((len(table.numeric_names),), name="numbers")
    return keras.Model(given, keras.layers.Dense(outputs)(given))


def one_column_short(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given = keras.Input((len(table.numeric_names) - 1,), name="numeric")
    return keras.Model(given, keras.layers.Dense(outputs)(given))


def one_output_more(table: Table, outputs: int, recipe: Recipe) -> Any:
    return _ending_in(None, table, outputs + 1, recipe)


def holds_a_lambda(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given, hidden = _hidden(table, recipe)
    doubled = keras.layers.Lambda(lambda one: 2 * one)(hidden)
    return keras.Model(given, keras.layers.Dense(outputs)(doubled))


def holds_a_layer_of_its_own(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    class Doubled(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return 2 * inputs

    given, hidden = _hidden(table, recipe)
    return keras.Model(given, keras.layers.Dense(outputs)(Doubled()(hidden)))


def holds_a_function(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    def doubled(one: Any) -> Any:
        return 2 * one

    given, hidden = _hidden(table, recipe)
    return keras.Model(given, keras.layers.Dense(outputs)(keras.layers.Activation(doubled)(hidden)))


def learns_beside(table: Table, outputs: int, recipe: Recipe) -> Any:
    """A head for each column beside the label, a helping one for the label, and its own."""
    made = named_heads(table, outputs, recipe)
    import keras

    hidden = made.get_layer("early").input
    beside = {name: keras.layers.Dense(width)(hidden) for name, width in table.auxiliary.items()}
    return keras.Model(made.input, {**made.output, **beside})


def learns_beside_with_sigmoid(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given, hidden = _hidden(table, recipe)
    heads = {"main": keras.layers.Dense(outputs)(hidden)}
    for name, width in table.auxiliary.items():
        heads[name] = keras.layers.Dense(width, "sigmoid")(hidden)
    return keras.Model(given, heads)


def learns_too_wide(table: Table, outputs: int, recipe: Recipe) -> Any:
    import keras

    given, hidden = _hidden(table, recipe)
    heads = {name: keras.layers.Dense(7)(hidden) for name in table.auxiliary}
    return keras.Model(given, {**heads, "main": keras.layers.Dense(outputs)(hidden)})
