"""What surrounds a run: where things lie, and which software is installed."""

import ctypes.util
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path


def home() -> Path:
    """Where Plumbline keeps its own files: `PLUMBLINE_HOME`, or `.plumbline` in the project."""
    return Path(os.environ.get("PLUMBLINE_HOME", ".plumbline")).resolve()


def store_location() -> str:
    """Where artifacts lie, a path or a URL: `PLUMBLINE_STORE`, or `store` below `home()`."""
    return os.environ.get("PLUMBLINE_STORE") or str(home() / "store")


def store_cache() -> Path:
    """Where artifacts of a bucket are kept: `PLUMBLINE_STORE_CACHE`, or `cache` below `home()`."""
    return Path(os.environ.get("PLUMBLINE_STORE_CACHE") or home() / "cache").resolve()


@contextmanager
def environment_kept() -> Iterator[None]:
    """The variables of the environment are afterwards what they were before."""
    before = os.environ.copy()
    try:
        yield
    finally:
        for added in os.environ.keys() - before.keys():
            del os.environ[added]
        os.environ.update(before)


def keras_backend() -> str:
    """The backend that `import keras` will choose, found without importing it."""
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    config = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    if config.is_file():
        return json.loads(config.read_text("utf-8")).get("backend", "tensorflow")
    return "tensorflow"


def installed(*distributions: str) -> dict[str, str]:
    """Versions by distribution name, with Python's and the processor's kind."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: _version(name) for name in distributions},
    }


# Each stage of each pipeline asks, and the answer is in a file that is parsed as an e-mail.
_version = cache(metadata.version)


def accelerator(root: Path = Path("/")) -> str:
    """What networks are trained on: gpu or cpu, found without importing a backend.

    gpu where the driver has made a device for one, nothing in the environment hides it, and
    the software is installed through which the backend would use it.

    root: below which `dev` lies.
    """
    found = any(one.name[6:].isdigit() for one in (root / "dev").glob("nvidia*"))
    if not found or os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in {"", "-1"}:
        return "cpu"
    return "gpu" if _uses_gpu(keras_backend()) else "cpu"


def _uses_gpu(backend: str) -> bool:
    if backend == "jax":
        named = os.environ.get("JAX_PLATFORMS", "").split(",")
        allowed = named == [""] or bool({"cuda", "gpu"} & set(named))
        return allowed and _any_installed("jax-cuda12-plugin", "jax-cuda13-plugin")
    # TensorFlow's own wheel has the code; CUDA's libraries come beside it, or with the system.
    if _any_installed("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"):
        return True
    return ctypes.util.find_library("cudnn") is not None


def _any_installed(*distributions: str) -> bool:
    known = {one.name.lower() for one in metadata.distributions() if one.name}
    return not known.isdisjoint(distributions)
