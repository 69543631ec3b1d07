"""What a network was trained on, and what of it was used."""

import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from plumbline.environment import installed
from plumbline.network import backend, nvml

SAMPLE_SECONDS = 0.5
"""Time between two looks at memory and utilisation."""

_SOFTWARE = ("keras", "tensorflow", "numpy")

_STATUS = Path("/proc/self/status")


def facts() -> dict[str, Any]:
    """Devices and versions, as JSON types. None is what could not be found out.

    gpu_present: NVML finds a GPU that CUDA_VISIBLE_DEVICES does not hide. gpu_used: the
    backend's operations run on one. cuda, cudnn: the versions that the backend loaded.
    cuda_of_driver: the newest that the driver runs.
    """
    devices = _devices()
    gpu_used = any(one["kind"] == "gpu" for one in devices)
    with nvml.opened() as library:
        gpus = library.gpus() if library else []
        driver, newest = (library.driver(), library.cuda()) if library else (None, None)
    return {
        "backend": backend.name(),
        "versions": _versions(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "devices": devices,
        "gpu_present": bool(gpus),
        "gpu_used": gpu_used,
        "gpus": [{"name": one.name, "memory_bytes": one.memory_bytes} for one in gpus],
        "driver": driver,
        "cuda_of_driver": newest,
        "cuda": _loaded("libcudart.so", (13, 12), _cuda) if gpu_used else None,
        "cudnn": _loaded("libcudnn.so", (9, 8), _cudnn) if gpu_used else None,
    }


def gpu_present() -> bool:
    """Whether NVML finds a GPU that CUDA_VISIBLE_DEVICES does not hide."""
    with nvml.opened() as library:
        return bool(library and library.gpus())


def gpu_free() -> int | None:
    """Memory free on the fullest of the GPUs that the backend uses (bytes); None without one."""
    if not any(one["kind"] == "gpu" for one in _devices()):
        return None
    with nvml.opened() as library:
        return min((one.free_bytes for one in library.gpus()), default=None) if library else None


class Watch:
    """Looks at memory and utilisation while a block runs."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._busy: list[float] = []
        self._highest = 0
        self._highest_before = _memory("VmHWM")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, name="plumbline-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def record(self) -> dict[str, Any]:
        """As JSON types.

        host_peak_bytes: the process' resident memory: to the byte where it was the highest of
        the process' life, else the highest seen. gpu_peak_bytes: what the backend held of the
        fullest GPU. gpu_utilisation: mean over GPUs and looks; null where NVML does not tell.
        """
        highest = _memory("VmHWM")
        return {
            "host_peak_bytes": highest if highest > self._highest_before else self._highest,
            "gpu_peak_bytes": max(one["peak_bytes"] or 0 for one in _devices()) or None,
            "gpu_utilisation": sum(self._busy) / len(self._busy) if self._busy else None,
            "looks": len(self._busy),
        }

    def _look(self) -> None:
        with nvml.opened() as library:
            while True:
                self._highest = max(self._highest, _memory("VmRSS"))
                gpus = library.gpus() if library else []
                self._busy += [one.utilisation for one in gpus if one.utilisation is not None]
                if self._ended.wait(SAMPLE_SECONDS):
                    return


def _devices() -> list[dict[str, Any]]:
    """The backend's devices: kind (gpu or cpu), name, peak_bytes."""
    if backend.name() == "jax":
        from plumbline.network import jax_devices

        return jax_devices.devices()
    from plumbline.network import tensorflow_devices

    return tensorflow_devices.devices()


def _versions() -> dict[str, str]:
    software = (*_SOFTWARE, "jax", "jaxlib") if backend.name() == "jax" else _SOFTWARE
    return installed(*software)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory(field: str) -> int:
    for line in _STATUS.read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _loaded(
    name: str, versions: tuple[int, ...], version: Callable[[Any], str | None]
) -> str | None:
    """Version of a library of CUDA's; the one in the process is found by its name."""
    import ctypes

    for number in versions:
        try:
            return version(ctypes.CDLL(f"{name}.{number}"))
        except (OSError, AttributeError):
            continue
    return None


def _cuda(library: Any) -> str | None:
    import ctypes

    number = ctypes.c_int()
    if library.cudaRuntimeGetVersion(ctypes.byref(number)):
        return None
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _cudnn(library: Any) -> str:
    import ctypes

    library.cudnnGetVersion.restype = ctypes.c_size_t
    number = library.cudnnGetVersion()
    # Since version 9 there are two digits more.
    major = number // (10_000 if number >= 90_000 else 1000)
    rest = number - major * (10_000 if number >= 90_000 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"
