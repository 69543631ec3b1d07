"""From a file's bytes to pixels: what the file says to the last bit, or a reason and a remedy."""

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_files import bomb, column_of, file_of
from PIL import Image

from plumbline.errors import NormalizationError
from plumbline.extract.images import Fault, faults, pixels

IMAGE = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)


def files(*values: bytes | None) -> pa.Array:
    return pa.array(values, pa.binary())


def refused(value: bytes | None, **declared) -> Fault:
    """Why an image is not read; as an error, it says so too."""
    column = column_of(**declared)
    wrong = faults(files(file_of(IMAGE), value), column)
    with pytest.raises(NormalizationError) as caught:
        pixels(files(value), column)
    assert caught.value.values["column"] == "photo"
    assert f"1 of 1 images in 'photo' cannot be read; the first {wrong[1].found}" in str(
        caught.value
    )
    assert caught.value.remedy == wrong[1].remedy
    return wrong[1]


@given(
    channels=st.sampled_from([1, 3, 4]),
    form=st.sampled_from(["PNG", "BMP", "WEBP"]),
    values=st.lists(arrays(np.uint8, (8, 8, 4)), min_size=1, max_size=3),
)
def test_what_loses_nothing_is_read_to_the_last_bit(channels, form, values):
    images = [one[..., :channels] for one in values]
    if channels == 4:  # what nobody sees is not kept by every format
        images = [np.where(one[..., 3:] == 0, 0, one) for one in images]
        form = "PNG"
    if channels == 1 and form == "WEBP":
        form = "PNG"
    given_files = [
        file_of(one, form, **({"lossless": True} if form == "WEBP" else {})) for one in images
    ]
    read = pixels(files(*given_files), column_of(channels=channels))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, images)


@given(arrays(np.uint8, (8, 8)), st.sampled_from([3, 4]))
def test_gray_is_a_color(gray, channels):
    read = pixels(files(file_of(gray)), column_of(channels=channels))[0]
    for at in range(3):
        np.testing.assert_array_equal(read[..., at], gray)
    assert (read[..., 3:] == 255).all()


def test_a_palette_and_single_bits_are_read_as_what_they_stand_for():
    bits = np.eye(8, dtype=np.uint8) * 255
    read = pixels(files(file_of(bits, mode="1")), column_of(channels=1))
    np.testing.assert_array_equal(read[0, ..., 0], bits)
    few = np.repeat(IMAGE[:1], 8, axis=0)
    read = pixels(files(file_of(few, mode="P")), column_of())
    np.testing.assert_array_equal(
        read[0], np.asarray(Image.fromarray(few).convert("P").convert("RGB"))
    )


def test_a_jpeg_is_read_as_pillow_reads_it():
    data = file_of(IMAGE, "JPEG")
    np.testing.assert_array_equal(
        pixels(files(data), column_of())[0], np.asarray(Image.open(io.BytesIO(data)))
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_an_image_or_a_fault(data):
    wrong = faults(files(data), column_of())
    assert wrong[0].found.startswith(("is no PNG", "cannot be decoded"))


@given(st.integers(0, 200))
def test_part_of_an_image_is_none(length):
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    data = file_of(noise)
    assert len(data) > 250  # so that rows of pixels are missing
    assert refused(data[:length]).remedy.startswith("correct 'photo' at its source")


@pytest.mark.parametrize(
    ("value", "declared", "found", "remedy"),
    [
        (file_of(IMAGE[:7]), {}, "has 8 x 7 pixels", "declare resize: true"),
        (None, {}, "is NULL", "declare nulls: black"),
        (file_of(IMAGE), {"channels": 1}, "needs 3 channels", "declare channels: 3"),
        (file_of(IMAGE, mode="RGBA"), {}, "needs 4 channels", "declare channels: 4"),
        (file_of(IMAGE, mode="LA"), {"channels": 1}, "needs 4 channels", "declare channels: 4"),
        (file_of(IMAGE, mode="I;16"), {}, "has pixels of mode I;16", "correct 'photo'"),
        (file_of(IMAGE, "JPEG", mode="CMYK"), {}, "has pixels of mode CMYK", "correct 'photo'"),
        (file_of(IMAGE, "GIF", mode="P"), {}, "is no PNG, JPEG, WebP or BMP", "correct 'photo'"),
        (
            file_of(IMAGE, save_all=True, append_images=[Image.fromarray(IMAGE[::-1].copy())]),
            {},
            "has several frames",
            "correct 'photo'",
        ),
        (bomb(), {"resize": True}, "cannot be decoded: Image size", "correct 'photo'"),
        (bomb(6_000, 6_000), {"resize": True}, "has 6,000 x 6,000 pixels, more", "correct 'photo'"),
        (bomb(10_000, 9_000), {"resize": True}, "has 10,000 x 9,000 pixels", "correct 'photo'"),
        (b"", {}, "is no PNG", "correct 'photo'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", {}, "is no PNG", "correct 'photo'"),
    ],
)
def test_what_is_refused_says_why_and_what_to_do(value, declared, found, remedy):
    fault = refused(value, **declared)
    assert fault.found.startswith(found)
    assert fault.remedy.startswith(remedy) or remedy in fault.remedy


def test_transparent_pixels_are_not_dropped_in_silence():
    told = file_of(IMAGE, transparency=(0, 1, 2))
    assert refused(told).found == "needs 4 channels"
    read = pixels(files(told), column_of(channels=4))[0]
    assert read[0, 0, 3] == 0
    np.testing.assert_array_equal(read[1:, :, :3], IMAGE[1:])


@given(st.integers(1, 40), st.integers(1, 40))
def test_another_size_is_resized_where_that_is_declared(height, width):
    plain = np.full((height, width, 3), [10, 200, 77], np.uint8)
    read = pixels(files(file_of(plain)), column_of(resize=True))
    np.testing.assert_array_equal(read, np.broadcast_to(plain[:1, :1], (1, 8, 8, 3)))


def test_null_is_black_where_that_is_declared():
    read = pixels(files(None, file_of(IMAGE)), column_of(nulls="black"))
    assert not read[0].any()
    np.testing.assert_array_equal(read[1], IMAGE)
    assert pixels(files(), column_of()).shape == (0, 8, 8, 3)


def test_faults_are_counted_and_placed():
    column = column_of()
    values = files(file_of(IMAGE), None, b"x", file_of(IMAGE))
    assert list(faults(values, column)) == [1, 2]
    with pytest.raises(NormalizationError, match=r"2 of 4 images in 'photo'.*the first is NULL"):
        pixels(values, column)
