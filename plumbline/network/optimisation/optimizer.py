"""The optimizer of a recipe."""

from typing import Any

from plumbline.network.recipe import Recipe

DECAYED = "kernel"
"""Name of the variables that weight decay applies to. Biases, scales of a normalization, an
ensemble's scalings, and embeddings of numbers or categories are named otherwise."""


def optimizer(recipe: Recipe, network: Any) -> Any:
    """A fresh `keras.optimizers.Optimizer` for the network's weights.

    Weight decay is decoupled from the gradient, weight ← weight · (1 - rate · decay), whichever
    the optimizer (Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019).

    With `accumulation_steps` the weights move after every so many batches, by the mean of
    those batches' gradients, clipped once it is taken, at the last batch's learning rate. The
    count runs on from one epoch into the next; what is left at the end of training is dropped.
    """
    made = _MAKERS[recipe.optimizer](
        recipe,
        weight_decay=recipe.weight_decay or None,
        global_clipnorm=recipe.clip_norm or None,
        gradient_accumulation_steps=(
            recipe.accumulation_steps if recipe.accumulation_steps > 1 else None
        ),
    )
    weights = network.trainable_variables
    made.exclude_from_weight_decay([one for one in weights if one.name != DECAYED])
    return made


def _adam(recipe: Recipe, **shared: Any) -> Any:
    import keras

    return keras.optimizers.Adam(recipe.learning_rate, beta_2=recipe.beta_2, **shared)


def _adamw(recipe: Recipe, **shared: Any) -> Any:
    import keras

    # Keras' AdamW refuses to be told of no decay.
    shared["weight_decay"] = recipe.weight_decay
    return keras.optimizers.AdamW(recipe.learning_rate, beta_2=recipe.beta_2, **shared)


def _nadam(recipe: Recipe, **shared: Any) -> Any:
    import keras

    return keras.optimizers.Nadam(recipe.learning_rate, beta_2=recipe.beta_2, **shared)


def _sgd(recipe: Recipe, **shared: Any) -> Any:
    import keras

    return keras.optimizers.SGD(
        recipe.learning_rate,
        momentum=float(recipe.momentum),
        nesterov=recipe.momentum > 0,
        **shared,
    )


def _rmsprop(recipe: Recipe, **shared: Any) -> Any:
    import keras

    return keras.optimizers.RMSprop(
        recipe.learning_rate, rho=recipe.beta_2, momentum=float(recipe.momentum), **shared
    )


_MAKERS = {"adam": _adam, "adamw": _adamw, "nadam": _nadam, "sgd": _sgd, "rmsprop": _rmsprop}
