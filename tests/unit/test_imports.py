"""What importing must not do."""

import subprocess
import sys

HEAVY = ("tensorflow", "keras", "jax", "xgboost", "sklearn", "matplotlib", "scipy")


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
    importlib.import_module(module.name)
"""
    assert _loaded_after(everything, ("dagster", *HEAVY)) == ""


def test_loading_the_code_location_imports_nothing_heavy():
    load = "from pipelines.definitions import defs; defs().get_repository_def()"
    assert _loaded_after(load, ("dagster", *HEAVY)) == "dagster"
