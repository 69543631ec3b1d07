"""What is recorded of the machine. The management library is a small one made here."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from plumbline import environment
from plumbline.network import hardware, nvml
from plumbline.network.nvml import Gpu, visible

pytestmark = pytest.mark.network

SOURCE = """
#include <string.h>
#define GPUS 2
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilisation_t;
static int running = 0;
int nvmlInit_v2(void) { running++; return INIT; }
int nvmlShutdown(void) { running--; return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) {
    if (running != 1) return 1;
    strncpy(text, "570.86.15", n); return 0; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 12080; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = GPUS; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned at, void **device) {
    *device = (void *)(unsigned long)(at + 1); return 0; }
int nvmlDeviceGetName(void *device, char *text, unsigned n) {
    strncpy(text, "A GPU", n); return 0; }
int nvmlDeviceGetUUID(void *device, char *text, unsigned n) {
    strncpy(text, device == (void *)1 ? "GPU-aa11" : "GPU-bb22", n); return 0; }
int nvmlDeviceGetMemoryInfo(void *device, memory_t *found) {
    found->total = 80000000000ull; found->used = 1000000000ull * (unsigned long)device;
    found->free = found->total - found->used; return 0; }
int nvmlDeviceGetUtilizationRates(void *device, utilisation_t *found) {
    if (device == (void *)2) return 3;
    found->gpu = 37; found->memory = 5; return 0; }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes a library whose start gives `failure`; 0 is success."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a management library with")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(SOURCE)

    def make(failure: int = 0) -> str:
        made = folder / f"nvml{failure}.so"
        command = [compiler, "-shared", "-fPIC", f"-DINIT={failure}", "-o", made, "nvml.c"]
        subprocess.run(command, cwd=folder, check=True)
        return str(made)

    return make


@pytest.fixture
def two_gpus(library: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "LIBRARY", library())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "LIBRARY", "libno-such-thing.so.1")


@pytest.mark.usefixtures("two_gpus")
def test_gpus_are_what_the_library_says():
    with nvml.opened() as found:
        assert found is not None
        assert (found.driver(), found.cuda()) == ("570.86.15", "12.8")
        first, second = found.gpus()
    assert first == Gpu(
        name="A GPU",
        uuid="GPU-aa11",
        memory_bytes=80 * 10**9,
        free_bytes=79 * 10**9,
        utilisation=0.37,
    )
    assert (second.free_bytes, second.utilisation) == (78 * 10**9, None)
    assert hardware.gpu_present()


@pytest.mark.usefixtures("two_gpus")
def test_hidden_gpus_are_not_present(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not hardware.gpu_present()


def test_a_library_that_does_not_start_is_none(
    library: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(nvml, "LIBRARY", library(failure=9))
    with nvml.opened() as found:
        assert found is None
    assert not hardware.gpu_present()


@pytest.mark.usefixtures("no_gpu")
def test_facts_without_a_gpu():
    found = hardware.facts()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["gpu_present"] is False
    assert [found[name] for name in ("driver", "cuda_of_driver", "gpus")] == [None, None, []]
    assert found["backend"] == environment.keras_backend()
    assert found["versions"]["keras"]
    assert found["backend"] in found["versions"]
    assert found["cores"] >= 1
    assert found["devices"]
    # However many JAX makes of it.
    assert sum(one["kind"] == "cpu" for one in found["devices"]) <= 1


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_there_and_not_used_is_seen():
    """Here the backend has none: the library is made up."""
    if any(one["kind"] == "gpu" for one in hardware.facts()["devices"]):
        pytest.skip("the backend runs on a GPU")
    found = hardware.facts()
    assert (found["gpu_present"], found["gpu_used"]) == (True, False)
    assert found["gpus"] == [{"name": "A GPU", "memory_bytes": 80 * 10**9}] * 2
    assert (found["driver"], found["cuda_of_driver"]) == ("570.86.15", "12.8")
    assert hardware.gpu_free() is None


@pytest.mark.usefixtures("two_gpus")
def test_utilisation_is_of_the_gpus_that_tell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hardware, "SAMPLE_SECONDS", 0.01)
    with hardware.Watch() as watch:
        time.sleep(0.1)
    record = watch.record()
    assert record["gpu_utilisation"] == pytest.approx(0.37)
    assert record["looks"] >= 1
    assert json.loads(json.dumps(record)) == record


@pytest.mark.usefixtures("no_gpu")
def test_the_peak_of_memory_is_that_of_the_block():
    with hardware.Watch() as watch:
        held = bytearray(300_000_000)
        held[::4096] = b"x" * len(held[::4096])
    del held
    assert watch.record()["host_peak_bytes"] > 300_000_000
    assert watch.record()["gpu_utilisation"] is None


def test_a_watch_ends_with_its_block_even_when_that_fails():
    watch = hardware.Watch()
    with pytest.raises(ValueError, match="mine"), watch:
        raise ValueError("mine")
    assert not watch._thread.is_alive()


GPUS = [
    Gpu(name=name, uuid=f"GPU-{name}", memory_bytes=1, free_bytes=1, utilisation=None)
    for name in ("aa", "ab", "b")
]


@pytest.mark.parametrize(
    ("named", "names"),
    [
        (None, "aa ab b"),
        ("", ""),
        ("-1", ""),
        ("2,0", "b aa"),
        ("1,-1,0", "ab"),
        ("0,9,1", "aa"),
        ("GPU-b, GPU-aa", "b aa"),
        ("GPU-c", ""),
    ],
)
def test_what_cuda_shows_a_process(named: str | None, names: str):
    assert [one.name for one in visible(GPUS, named)] == names.split()


@pytest.mark.parametrize(
    ("devices", "surroundings", "software", "expected"),
    [
        (["nvidia0", "nvidiactl"], {}, {"jax-cuda12-plugin"}, "gpu"),
        (["nvidia0"], {"JAX_PLATFORMS": "cuda,cpu"}, {"jax-cuda13-plugin"}, "gpu"),
        (["nvidia0"], {"JAX_PLATFORMS": "cpu"}, {"jax-cuda12-plugin"}, "cpu"),
        (["nvidia0"], {"CUDA_VISIBLE_DEVICES": ""}, {"jax-cuda12-plugin"}, "cpu"),
        (["nvidia0"], {"CUDA_VISIBLE_DEVICES": "-1"}, {"jax-cuda12-plugin"}, "cpu"),
        (["nvidia0"], {}, {"nvidia-cudnn-cu12"}, "cpu"),
        (["nvidiactl", "nvidia-uvm"], {}, {"jax-cuda12-plugin"}, "cpu"),
        ([], {}, {"jax-cuda12-plugin"}, "cpu"),
        (["nvidia0"], {"KERAS_BACKEND": "tensorflow"}, {"nvidia-cudnn-cu12"}, "gpu"),
        (["nvidia0"], {"KERAS_BACKEND": "tensorflow"}, {"jax-cuda12-plugin"}, "cpu"),
    ],
)
def test_the_accelerator_is_told_without_a_backend(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    devices: list[str],
    surroundings: dict[str, str],
    software: set[str],
    expected: str,
):
    (tmp_path / "dev").mkdir()
    for one in devices:
        (tmp_path / "dev" / one).touch()
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"KERAS_BACKEND": "jax", **surroundings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        environment, "_any_installed", lambda *named: not software.isdisjoint(named)
    )
    monkeypatch.setattr(environment.ctypes.util, "find_library", lambda _: None)
    assert environment.accelerator(tmp_path) == expected


@pytest.mark.parametrize(
    ("number", "text"), [(90_100, "9.1.0"), (91_002, "9.10.2"), (8907, "8.9.7")]
)
def test_versions_of_cudnn(number: int, text: str):
    assert hardware._cudnn(Mock(cudnnGetVersion=Mock(return_value=number))) == text
