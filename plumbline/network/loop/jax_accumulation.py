"""JAX only: a step's gradient from several passes over parts of its rows."""

from typing import Any

from plumbline.network.architectures import Network


class Accumulating:
    """A `train_step` that takes at most `rows` rows at a time and moves the weights once.

    The gradient is the mean over the batch's rows, as that of one pass is. Layers that look
    at several rows at once, as batch normalization does, see a part instead.
    """

    def __init__(self, training: Network, rows: int):
        import jax

        self._jax: Any = jax
        self._training: Any = training
        self._rows = rows

    def __call__(self, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        jax = self._jax
        trainable, fixed, optimizer, metrics = state
        count = jax.tree.leaves(data)[0].shape[0]

        def part(start: Any, rows: int, carried: Any) -> Any:
            sums, fixed, metrics = carried
            cut = jax.tree.map(lambda one: jax.lax.dynamic_slice_in_dim(one, start, rows), data)
            gradients, fixed, metrics = self._gradients((trainable, fixed, optimizer, metrics), cut)
            share = rows / count
            sums = [total + share * one for total, one in zip(sums, gradients, strict=True)]
            return sums, fixed, metrics

        full = count // self._rows
        carried = [jax.numpy.zeros_like(one) for one in trainable], fixed, metrics
        if full:
            carried = jax.lax.fori_loop(
                0, full, lambda at, now: part(at * self._rows, self._rows, now), carried
            )
        if rest := count - full * self._rows:
            carried = part(full * self._rows, rest, carried)
        sums, fixed, metrics = carried
        trainable, optimizer = self._training.optimizer.stateless_apply(optimizer, sums, trainable)
        return {}, (trainable, fixed, optimizer, metrics)

    def _gradients(self, state: Any, data: Any) -> tuple[Any, Any, Any]:
        trainable, fixed, optimizer, metrics = state
        model, (x, y, weight) = self._training, data
        loss = self._jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
        (_, (unscaled, raw, fixed, metrics)), gradients = loss(
            trainable,
            fixed,
            metrics,
            x,
            y,
            weight,
            training=True,
            optimizer_variables=optimizer,
        )
        _, metrics = model._update_metrics_variables(metrics, unscaled, x, y, raw, weight)
        return gradients, list(fixed), list(metrics)
