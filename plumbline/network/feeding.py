"""How rows come to the network: from memory where they fit, else from disk."""

import logging
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from plumbline.memory import host_free
from plumbline.network import hardware
from plumbline.network.auxiliary import learned
from plumbline.network.examples import Examples, Units, arrays
from plumbline.network.loop.feed import Feed, InMemory
from plumbline.network.loop.oom import out_of_memory
from plumbline.network.loop.shuffle import Pool, Shuffle
from plumbline.network.loop.steps import Steps
from plumbline.network.loop.streaming import Streamed
from plumbline.network.tasks import Objective
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.prepared import PreparedMatrix, copied, prepared, row_bytes
from plumbline.spec import NetworkSpec
from plumbline.split.rows import Rows, TrainRows, ValRows

log = logging.getLogger(__name__)

HOST_COPIES, GPU_COPIES = 3.5, 1.5
"""Memory to have for the rows, in sizes of the rows: they are read, and copied to the device,
which may be the same memory. benchmarks/streaming.py measured 3.2 to 3.5 on the host."""

BACKEND_BYTES = 2**30
"""What a process that trains a small network holds beside the rows: interpreter, backend and
compiled steps. benchmarks/scale.py measured 1.0 GiB with TensorFlow."""


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """Where the rows lie while the network trains. It changes no weight: see docs/feeding.md."""

    mode: Literal["memory", "stream"]
    why: str
    bytes: int
    """The transformed features of training and validation rows."""
    host_free: int | None
    """Memory for the rows on the host when this was decided (bytes): of the budget what the
    backend leaves, else what was free; None: not known."""
    gpu_free: int | None
    """As `host_free`, of the GPU; None: there is none, or it does not tell."""

    def record(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def chosen(
    declared: Literal["auto", "memory", "stream"],
    size: int,
    host: int | None,
    gpu: int | None = None,
) -> Feeding:
    """How rows of `size` bytes are fed where `host` and `gpu` bytes are free (None: unknown)."""

    def of(mode: Literal["memory", "stream"], why: str) -> Feeding:
        return Feeding(mode=mode, why=why, bytes=size, host_free=host, gpu_free=gpu)

    if declared != "auto":
        return of(declared, "declared")
    for name, free, copies in (("host", host, HOST_COPIES), ("GPU", gpu, GPU_COPIES)):
        if free is not None and size * copies > free:
            return of(
                "stream",
                f"{copies:g} times {size / 1e9:.2f} GB is more than the {free / 1e9:.2f} GB free "
                f"on the {name}",
            )
    return of("memory", "it fits" if host or gpu else "free memory is not known")


def decided(
    declared: Literal["auto", "memory", "stream"], size: int, memory: int | None = None
) -> Feeding:
    """`chosen` by the budget of the process (bytes), or where there is none by what is free now."""
    host = host_free() if memory is None else max(0, memory - BACKEND_BYTES)
    return chosen(declared, size, host, hardware.gpu_free())


def loaded(  # noqa: PLR0917
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    work: Path | None,
    memory: int | None = None,
) -> tuple[Examples, Examples, Feeding]:
    """Both sides of the split as the network reads them, in memory or in files.

    work: where the files are written. None: where temporary files go. memory: that the process
    may hold (bytes). None: what is free.

    Raises:
        LeakageError, SpecError: as `learned`.
        NormalizationError: as `transform`.
        StoreUnwritable: the disk has no room for the files.
    """
    auxiliary = learned(train, normalization, options)
    size = (train.count + val.count) * row_bytes(normalization)
    feeding = decided(options.feeding, size, memory)
    log.info("network: %.2f GB of rows, fed from %s: %s", *_told(feeding))
    folder = None if feeding.mode == "memory" else work or Path(tempfile.gettempdir())
    examples, watched = (_read(side, normalization, folder) for side in (train, val))
    return replace(examples, auxiliary=auxiliary), watched, feeding


def _told(feeding: Feeding) -> tuple[float, str, str]:
    place = "memory" if feeding.mode == "memory" else "disk"
    return feeding.bytes / 1e9, place, feeding.why


def _read(rows: Rows, normalization: Normalization, folder: Path | None) -> Examples:
    """folder: of the file that they are transformed into. None: memory."""
    if folder is None:
        return Examples.of(rows, normalization)
    matrix = prepared(rows, normalization, folder)
    return Examples(matrix=matrix, labels=rows.labels(), weights=rows.weights())


@dataclass(frozen=True)
class Feeder:
    """Makes the loop's feed."""

    declared: Literal["auto", "memory", "stream"]
    seed: int
    work: Path | None
    """Where rows are written that are to be streamed. None: where temporary files go."""

    def feed(self, steps: Steps, train: Examples, goal: Objective, units: Units) -> Feed:
        """The training rows for the loop.

        Rows in memory that the device does not hold are streamed after all, unless `memory`
        was declared.
        """
        if not isinstance(train.matrix, PreparedMatrix) and self.declared != "stream":
            try:
                return InMemory(steps, arrays(train, goal, units), len(train.matrix), self.seed)
            except Exception as error:  # the backends' own, which are not imported here
                if self.declared == "memory" or not out_of_memory(error):
                    raise
            log.warning("network: the device does not hold the rows; they are fed from disk")
        return self._streamed(steps, train, goal, units)

    def _streamed(self, steps: Steps, train: Examples, goal: Objective, units: Units) -> Feed:
        matrix = train.matrix
        if not isinstance(matrix, PreparedMatrix):
            matrix = copied(matrix, self.work or Path(tempfile.gettempdir()))

        def load(pool: Pool) -> dict[str, Any]:
            return arrays(train.take(pool.rows, matrix.read(pool.spans)), goal, units)

        shuffle = Shuffle(rows=len(matrix), row_bytes=row_bytes(matrix), seed=self.seed)
        return Streamed(steps, load, shuffle)
