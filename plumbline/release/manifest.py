"""`manifest.json`: what a bundle is, and the SHA-256 of every other file in it."""

import json
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from plumbline.errors import BundleError
from plumbline.release.inventory import require_plain_file
from plumbline.spec import Scalar, Task
from plumbline.versions import fingerprint

MANIFEST = "manifest.json"
FORMAT = 3
"""Raised whenever an older Plumbline could misread a newer bundle."""

CLOSED = ConfigDict(extra="forbid")

Kind = Literal["dummy", "linear", "random_forest", "xgboost", "network"]


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Versions:
    """Everything the bundle came from."""

    dataset_version: str
    digest: str
    """SHA-256 over the dataset's rows and columns."""
    split_version: str
    normalization_version: str
    model_version: str
    evaluation_version: str
    """The evaluation whose verdict chose this model."""
    bundle_version: str


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Element:
    """Where in an array a column was."""

    array: str
    place: int
    """Counted from 1."""
    width: int
    """Elements of the whole array (count)."""


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Image:
    """What an image has to be: see `plumbline.spec.ImageSpec`."""

    height: int
    width: int
    channels: int
    resize: bool
    nulls: str


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Input:
    """A raw column that the model reads."""

    name: str
    postgres_type: str
    arrow_type: str
    kind: Literal["numeric", "category", "image"]
    element: Element | None = None
    """Set where the extract has an array; rows may come with it whole."""
    image: Image | None = None
    """Set where it is one."""
    vocabulary: tuple[str, ...] | None = None
    """Set where it is a category: the values that have a code of their own, as text, the first
    with the code 2. Any other value has the code 0, NULL the code 1."""


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Interval:
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Verdict:
    decision: Literal["NETWORK", "BASELINE", "INCONCLUSIVE"]
    reason: str


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Commit:
    """The project's git checkout at build time."""

    commit: str
    dirty: bool
    """Whether files differed from the commit."""


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class TestReads:
    """Which reading of the test rows the evaluation was, and what followed from it."""

    __test__ = False  # not a test class, whatever its name suggests to pytest

    reading: int
    """The first one of a dataset version is 1."""
    allowed: int
    """Readings whose intervals are as wide as declared (count)."""
    confidence: float
    """Of the interval that decided; above the declared one where it was widened."""


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Golden:
    """Rows whose transformed values, scores and answers are compared on every load."""

    rows: int
    tolerance: float
    """Largest absolute difference of a score of the model that still counts as equal; for
    regression as a share of the largest golden one. For people: a load has its own."""


@dataclass(frozen=True, kw_only=True, config=CLOSED)
class Manifest:
    format_version: Literal[3] = FORMAT
    pipeline: str
    versions: Versions
    kind: Kind
    task: Task
    label: str
    label_types: dict[str, str]
    """PostgreSQL's type of the label's column, or of each of several labels'."""
    classes: tuple[str, ...]
    """Names of the classes, or of several labels, in the order of the scores; for the binary task
    the second is the positive one; none for regression."""
    positive_label: Scalar
    """The label's value that counts as 1; None where the label is boolean or 0/1, and for other
    tasks than binary."""
    scores: str
    """What a score is, and in what unit."""
    answers: dict[str, str]
    """Arrow's type of each column that is answered of a row."""
    threshold: float | None
    """Scores at or above it are predicted positive; chosen on the validation rows. None but for
    the binary task."""
    inputs: tuple[Input, ...]
    unusual_values: dict[str, str]
    """What becomes of NULL, NaN, categories never seen and numbers out of range."""
    metrics: dict[Literal["val", "test"], dict[str, Interval]]
    """Of the released model, by side and name of the metric."""
    confidence: float
    """Coverage of the intervals."""
    verdict: Verdict
    test_reads: TestReads
    environment: dict[str, str | None]
    """Versions of what the model was made with; `cuda` and `cudnn` are None without a GPU."""
    locks: dict[str, str]
    """SHA-256 of the project's files of pinned requirements, by name."""
    image: str | None
    """The container image it was built in, with its digest; None where none was named."""
    git: Commit | None
    golden: Golden
    files: dict[str, str]
    """SHA-256 by path relative to the bundle, of every file but this one."""


_adapter = TypeAdapter(Manifest)


def render(manifest: Manifest) -> str:
    """The manifest's text, closed by a digest of its own content."""
    content = _adapter.dump_python(manifest, mode="json")
    sealed = {**content, "sha256": fingerprint(manifest=content)}
    return json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`.

    Raises:
        BundleError: it is absent, not what was written, or of another format.
    """
    path = folder / MANIFEST
    require_plain_file(path)
    written = path.read_bytes()
    manifest = _parsed(written, path)
    if render(manifest).encode() != written:
        raise BundleError(
            f"{path} was changed after it was written",
            expected="the text whose digest stands at its end",
            remedy="fetch the bundle again from where it was released",
        )
    return manifest


def _parsed(written: bytes, path: Path) -> Manifest:
    try:
        content = json.loads(written)
        _require_format(content.get("format_version"), path)
        content.pop("sha256", None)
        return _adapter.validate_json(json.dumps(content), strict=True)
    except (ValidationError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{path} is not a bundle's manifest: {_summary(error)}",
            expected=f"the manifest that Plumbline writes (format {FORMAT})",
            remedy="fetch the bundle again from where it was released",
        ) from error


def _require_format(found: object, path: Path) -> None:
    if found != FORMAT:
        raise BundleError(
            f"{path} has format_version {found!r}",
            expected=f"format_version {FORMAT}",
            remedy="score it with the Plumbline that built it, or release the model again",
        )


def _summary(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
