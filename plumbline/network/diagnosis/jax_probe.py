"""JAX only: what layers give for a few rows, and the loss's gradient by the weights."""

from collections.abc import Callable, Mapping
from typing import Any

from plumbline.network.architectures import Network

Probe = Callable[[], tuple[dict[str, Any], list[Any]]]


def probe(training: Network, inner: Network, said: str, rows: Mapping[str, Any]) -> Probe:
    """See `layers.Probe`; `said` names the model's own among the outputs of `inner`.

    It is compiled: operation by operation it took as long as a short training.
    """
    import jax

    places = {id(one): at for at, one in enumerate(training.trainable_variables)}
    order = [places[id(one)] for one in inner.trainable_variables]

    def loss(weights: list[Any], fixed: list[Any], metrics: list[Any], own: list[Any]) -> Any:
        chosen = [weights[at] for at in order]
        outputs, _ = inner.stateless_call(chosen, own, rows["x"], training=False)
        y_pred = outputs.pop(said)
        told, _ = training.stateless_compute_loss(
            weights, fixed, metrics, x=rows["x"], y=rows["y"], y_pred=y_pred, training=False
        )
        return told, outputs

    compiled = jax.jit(jax.grad(loss, has_aux=True))

    def run() -> tuple[dict[str, Any], list[Any]]:
        variables = (
            training.trainable_variables,
            training.non_trainable_variables,
            training.metrics_variables,
            inner.non_trainable_variables,
        )
        found, outputs = compiled(*([one.value for one in part] for part in variables))
        return outputs, found

    return run
