"""What importing must not do."""

import subprocess
import sys

HEAVY = ("tensorflow", "keras", "jax", "xgboost", "sklearn", "matplotlib", "scipy", "optuna")


def _loaded_after(statement: str, names: tuple[str, ...]) -> str:
    script = f"""
import importlib, pkgutil, sys
{statement}
print(*[name for name in {names!r} if name in sys.modules])
"""
    return subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_no_module_of_plumbline_imports_dagster():
    everything = """
import plumbline
for module in pkgutil.walk_packages(plumbline.__path__, "plumbline."):
    # The folder whose modules import Keras, and are imported inside functions only.
    if not module.name.startswith("plumbline.network.layers."):
        importlib.import_module(module.name)
"""
    assert _loaded_after(everything, ("dagster", *HEAVY)) == ""


def test_the_layers_import_keras_and_no_dagster():
    register = "from plumbline.network import layers; layers.register()"
    assert _loaded_after(register, ("dagster", "keras")) == "keras"


def test_loading_the_code_location_imports_nothing_heavy():
    load = "from pipelines.definitions import defs; defs().get_repository_def()"
    assert _loaded_after(load, ("dagster", *HEAVY)) == "dagster"
