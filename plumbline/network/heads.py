"""From raw outputs to a loss, and to what the network says."""

from collections.abc import Sequence
from typing import Any

from plumbline.network.architectures import Network
from plumbline.network.architectures.outputs import by_head, last_activation, predicting
from plumbline.network.auxiliary import Auxiliary
from plumbline.network.examples import Units
from plumbline.network.tasks import Objective, require_agreement
from plumbline.spec.auxiliary import MAIN


def is_raw(training: Network, objective: Objective, head: str = MAIN) -> bool:
    """Whether a head's outputs still lack the task's activation, as Plumbline's own do.

    Raises:
        TrainingError: it ends in another activation than the task's.
    """
    return not require_agreement(objective, last_activation(training, head))


def scoring(training: Network, objective: Objective, units: Units) -> Network:
    """The network that is released: it shares all weights with `training`.

    Its output is the probability of each class, shape (n, outputs), the mean of an ensemble's
    members; for regression the prediction in the label's own units.
    """
    import keras

    said = predicting(training)
    if objective.activation != "linear" and is_raw(training, objective):
        said = keras.layers.Activation(objective.activation, dtype="float32", name="probability")(
            said
        )
    if len(said.shape) == 3:
        said = keras.layers.GlobalAveragePooling1D(name="mean_of_members", dtype="float32")(said)
    if objective.task == "regression":
        said = keras.layers.Rescaling(
            units.scale, offset=units.mean, dtype="float32", name="own_units"
        )(said)
    return keras.Model(training.input, said, name=training.name)


def losses(
    training: Network, objective: Objective, auxiliary: Sequence[Auxiliary]
) -> dict[str, Any]:
    """What `compile` takes: the label's loss; or one of each head, and their weights in the sum.

    Raises:
        TrainingError: a head ends in another activation than its task's.
    """
    goals = {MAIN: objective, **{one.head: one.goal for one in auxiliary}}
    each = {
        name: loss(
            goals[name], members=len(said.shape) == 3, raw=is_raw(training, goals[name], name)
        )
        for name, said in by_head(training).items()
    }
    if not auxiliary:
        return {"loss": each[MAIN]}
    weights = {MAIN: 1.0, **{one.head: one.weight for one in auxiliary}}
    return {"loss": each, "loss_weights": weights}


def loss(objective: Objective, *, members: bool, raw: bool = True) -> Any:
    """The loss of a network's outputs: a `keras.losses.Loss`.

    members: the outputs are an ensemble's, (n, members, outputs), or several heads'; the loss
    is then the mean of their losses, never the loss of their mean (Gorishniy et al., TabM,
    2024). raw: they lack the task's activation.
    """
    import keras

    named = {
        "binary_crossentropy": keras.losses.BinaryCrossentropy,
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
        "mean_squared_error": keras.losses.MeanSquaredError,
        "mean_absolute_error": keras.losses.MeanAbsoluteError,
        "huber": keras.losses.Huber,
    }
    options: dict[str, Any] = {}
    if objective.from_logits and raw:
        options["from_logits"] = True
    if objective.label_smoothing:
        options["label_smoothing"] = objective.label_smoothing
    one = named[objective.loss](**options)
    return _of_members(one) if members else one


def _of_members(one: Any) -> Any:
    import keras

    class MembersLoss(keras.losses.Loss):
        """Each member's loss against the same target."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            shape = (1, y_pred.shape[1], 1)
            each = one.call(keras.ops.tile(y_true[:, None, :], shape), y_pred)
            # One loss per row, which the row's weight multiplies.
            return keras.ops.mean(each, axis=1)

    return MembersLoss(name="members_loss")
