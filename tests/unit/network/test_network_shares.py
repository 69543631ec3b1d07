"""Which networks JAX's replicas share, and how many devices there are for them."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from network_examples import examples, goal, table

from plumbline.environment import keras_backend
from plumbline.network import backend
from plumbline.network.assembly import compiled
from plumbline.network.loop import devices, jax_shares
from plumbline.network.optimisation.batches import batch_sizes
from plumbline.network.recipe import resolve
from plumbline.spec import NetworkSpec

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(keras_backend() != "jax", reason="replicas are a way of JAX"),
]


def assembled(options: dict[str, Any]) -> tuple[Any, list[int]]:
    given = {"widths": [256, 128], "batch_normalization": False, "batch_size": 256, **options}
    spec = NetworkSpec(architecture="dense", **given)
    train = examples(50, 1)
    asked = goal("binary", spec)
    recipe = resolve(spec, table(train), asked)
    sizes = [*map(batch_sizes(recipe), range(recipe.max_epochs))]
    return compiled(table(train), asked, recipe), sizes


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 2),
        ({"batch_normalization": True}, 1),
        ({"batch_size": 16}, 1),
        ({"batch_size": [{"until": 0.5, "size": 16}, {"until": 1, "size": 256}]}, 1),
        ({"widths": [16]}, 1),
    ],
    ids=["dense", "normalized", "small batches", "some small batches", "small"],
)
def test_they_share_what_they_may_and_what_pays(options: dict[str, Any], count: int):
    training, sizes = assembled(options)
    assert len(devices.names()) == backend.REPLICAS
    assert devices.settled(training, 2, "all", sizes) == count
    assert devices.settled(training, 2, 2, sizes) == 2


def mixing(layer: Callable[[Any], Any]) -> Any:
    import keras

    given = keras.Input((4,), name="numeric")
    hidden = layer(keras.layers.Dense(8)(given))
    made: Any = keras.Model(
        {"numeric": given}, keras.layers.Dense(1, kernel_initializer="zeros")(hidden)
    )
    made.compile(loss="mse")
    return made


def frozen(hidden: Any) -> Any:
    import keras

    layer = keras.layers.Dense(8)
    layer.trainable = False
    return layer(hidden)


def centred(hidden: Any) -> Any:
    import keras

    return hidden - keras.ops.mean(hidden, axis=0, keepdims=True)


def spectral(hidden: Any) -> Any:
    import keras

    return keras.layers.SpectralNormalization(keras.layers.Dense(8))(hidden)


@pytest.mark.parametrize(("layer", "apart"), [(frozen, True), (centred, False), (spectral, False)])
def test_networks_whose_rows_meet_are_told_from_others(layer: Callable[[Any], Any], apart: bool):
    assert jax_shares.independent(mixing(layer)) == apart


def test_a_model_with_a_step_of_its_own_is_not_shared():
    import keras

    class Own(keras.Model):
        def train_step(self, *given: Any) -> Any:
            return super().train_step(*given)

    made = mixing(frozen)
    own: Any = Own(made.input, made.output)
    own.compile(loss="mse")
    assert jax_shares.independent(made)
    assert not jax_shares.independent(own)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, str(backend.REPLICAS)),
        ({"JAX_NUM_CPU_DEVICES": "5"}, "5"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, None),
        ({"XLA_FLAGS": "--xla_dump_to=x"}, str(backend.REPLICAS)),
    ],
)
def test_the_users_devices_stay(
    given: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
):
    for name in ("JAX_NUM_CPU_DEVICES", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    backend.prepare()
    assert os.environ.get("JAX_NUM_CPU_DEVICES") == expected
