"""Files of images, as a database holds them."""

import io
import struct
import zlib
from typing import Any

import numpy as np

from plumbline.extract.images import ImageColumn


def file_of(
    pixels: np.ndarray, form: str = "PNG", mode: str | None = None, **options: Any
) -> bytes:
    """Pixels (height, width) or (height, width, channels), uint8, as a file's bytes."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    written = io.BytesIO()
    (image.convert(mode) if mode else image).save(written, form, **options)
    return written.getvalue()


def column_of(name: str = "photo", size: int = 8, channels: int = 3, **options: Any) -> ImageColumn:
    """Square images of `size` pixels a side."""
    given = {"resize": False, "nulls": "refused", **options}
    return ImageColumn(name=name, height=size, width=size, channels=channels, **given)


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A small PNG whose head claims so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*one) for one in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )


def bars(rows: int, seed: int, size: int = 16, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright bar somewhere, uint8 (rows, size, size, channels), and whether each
    bar stands upright: int8.
    """
    generator = np.random.default_rng(seed)
    upright = generator.integers(0, 2, rows).astype(np.int8)
    pixels = generator.integers(0, 120, (rows, size, size, channels)).astype(np.uint8)
    for one, stands in zip(pixels, upright, strict=True):
        top, left = generator.integers(0, size - 6, 2)
        one[top : top + (6 if stands else 2), left : left + (2 if stands else 6)] = 255
    return pixels, upright
