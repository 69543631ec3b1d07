"""Image columns: from a file's bytes to pixels, or to the reason why there are none.

Nothing is repaired: what is read is what the file says, to the last bit of a pixel. Only another
size is brought to the declared one, where that is declared.
"""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from plumbline.errors import NormalizationError
from plumbline.spec import ImageSpec

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Of a file, as Pillow calls them."""

MOST_PIXELS = 2**25
"""Pixels of an image that is decoded at all: a small file can claim to hold far more (count)."""

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's name for the declared channels."""

_NEEDED = {"1": 1, "L": 1, "P": 3, "RGB": 3, "LA": 4, "PA": 4, "RGBA": 4}
"""Channels that an image needs to lose nothing, by its mode. The modes that are not here have
more than 8 bits in a channel, or other colors."""


@dataclass(frozen=True, kw_only=True)
class ImageColumn:
    """A column of images as networks read it: uint8, shape (n, *shape)."""

    name: str
    height: int
    width: int
    channels: int
    resize: bool
    """Whether an image of another size is brought to this one."""
    nulls: str
    """What becomes of NULL: refused, or black."""

    @classmethod
    def declared(cls, name: str, spec: ImageSpec) -> "ImageColumn":
        return cls(name=name, **spec.model_dump())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    @property
    def bytes(self) -> int:
        """Of an image's pixels."""
        return self.height * self.width * self.channels


class Fault(NamedTuple):
    """Why an image is not read, and what to do about it."""

    found: str
    remedy: str


def pixels(values: pa.Array, column: ImageColumn) -> np.ndarray:
    """Images decoded: uint8, shape (len(values), height, width, channels). NULL is black.

    Raises:
        NormalizationError: an image cannot be read as declared.
    """
    found = np.zeros((len(values), *column.shape), np.uint8)
    wrong = faults(values, column, found)
    if wrong:
        place, first = next(iter(wrong.items()))
        raise NormalizationError(
            f"{len(wrong):,} of {len(values):,} images in {column.name!r} cannot be read; the "
            f"first {first.found}",
            expected=told(column),
            remedy=first.remedy,
            column=column.name,
            images=len(wrong),
            place=place,
        )
    return found


def faults(
    values: pa.Array, column: ImageColumn, found: np.ndarray | None = None
) -> Mapping[int, Fault]:
    """The images that cannot be read as declared, by their place; pixels go into `found`."""
    wrong: dict[int, Fault] = {}
    with _unwarned():
        for place, value in enumerate(values):
            read = _read(value.as_py(), column)
            if isinstance(read, Fault):
                wrong[place] = read
            elif found is not None and read is not None:
                found[place] = read
    return wrong


def told(column: ImageColumn) -> str:
    """What an image has to be."""
    size = f"{column.width} x {column.height} pixels"
    return (
        f"PNG, JPEG, WebP or BMP files {'of any size' if column.resize else f'of {size}'}, that "
        f"{column.channels} channels of 8 bits hold without loss"
    )


def _read(data: bytes | None, column: ImageColumn) -> np.ndarray | Fault | None:
    """Pixels of one image; None for black."""
    from PIL import Image, UnidentifiedImageError

    if data is None:
        return None if column.nulls == "black" else _null(column)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _unfit(image, column) or _decoded(image, column)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return _broken("is no PNG, JPEG, WebP or BMP file", column)
    except Exception as error:  # whatever Pillow says of bytes that are no image
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return _broken(f"cannot be decoded: {reason}", column)


def _decoded(image: Any, column: ImageColumn) -> np.ndarray:
    from PIL import Image

    image = image.convert(_MODES[column.channels])
    size = (column.width, column.height)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(column.shape)


def _unfit(image: Any, column: ImageColumn) -> Fault | None:
    """What the file's head already says against it."""
    width, height = image.size
    declared = f"source.images.{column.name}"
    needed = 4 if "transparency" in image.info else _NEEDED.get(image.mode)
    if width * height > MOST_PIXELS:
        return _broken(f"has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}", column)
    if (width, height) != (column.width, column.height) and not column.resize:
        return Fault(
            f"has {width} x {height} pixels",
            f"declare resize: true under {declared}, or its own height and width",
        )
    # Cameras put a second picture behind the first (MPO).
    if getattr(image, "is_animated", False) and image.format != "MPO":
        return _broken("has several frames", column)
    if needed is None:
        return _broken(f"has pixels of mode {image.mode}", column)
    if needed > column.channels:
        return Fault(f"needs {needed} channels", f"declare channels: {needed} under {declared}")
    return None


def _null(column: ImageColumn) -> Fault:
    return Fault(
        "is NULL",
        f"leave these rows out in the SQL, or declare nulls: black under "
        f"source.images.{column.name} and select {column.name} IS NULL as a feature",
    )


def _broken(found: str, column: ImageColumn) -> Fault:
    return Fault(found, f"correct {column.name!r} at its source, or leave these rows out")


@contextmanager
def _unwarned() -> Iterator[None]:
    """Pillow warns of what is far beyond `MOST_PIXELS`, before it lets anyone look at its size."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield
