"""What surrounds a run: where things lie, and which software is installed."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path


def home() -> Path:
    """Where Plumbline keeps its own files: `PLUMBLINE_HOME`, or `.plumbline` in the project."""
    return Path(os.environ.get("PLUMBLINE_HOME", ".plumbline")).resolve()


def store_location() -> str:
    """Where artifacts lie: `PLUMBLINE_STORE`, or `store` below `home()`."""
    return os.environ.get("PLUMBLINE_STORE") or str(home() / "store")


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
        **{name: metadata.version(name) for name in distributions},
    }
