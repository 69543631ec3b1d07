"""How each raw column is turned into what the model reads, in words."""

from collections.abc import Sequence

from plumbline.normalization.matrix import MISSING, UNKNOWN
from plumbline.normalization.parameters import Normalization, NumericFeature, Vocabulary
from plumbline.release.manifest import Image, Input
from plumbline.release.markdown import code

_SCALED = {
    "standard": "minus mean {center:.6g}, by standard deviation {scale:.6g}",
    "min_max": "minus minimum {center:.6g}, by range {scale:.6g}",
    "robust": "minus median {center:.6g}, by spread {scale:.6g}",
    "quantile": "normal quantile of its rank among training values",
    "none": "as it is",
}
Row = tuple[str, str, str, str]

UNUSUAL = {
    "NULL or NaN in a number": "becomes the training rows' mean, or their median where the method "
    "is robust or quantile; a 0/1 column tells, if training rows had missing values, too",
    "NULL in a category, or NaN in a category of numbers": f"has the code {MISSING}, its own",
    "a category value without a code: not among the training rows, or cut off by max_categories": (
        f"has the code {UNKNOWN}, which all such values share"
    ),
    "a number beyond the training range": "is scaled like any other, never clipped; where the "
    "method is quantile it becomes -5.2 or 5.2, as the ends of the range do",
    "a number too far out for float32 once it is scaled": "is refused",
    "an infinite number": "is refused",
    "a value that is not of the column's type": "is refused",
}
"""What becomes of each unusual value, in training as in scoring. A refusal names the column;
docs/scoring.md says what becomes of the other rows."""

UNUSUAL_IMAGES = {
    "NULL in an image": "is refused, or black where the declaration says so",
    "an image of another size": "is refused, or resized where the declaration says so",
    "bytes that are no image, or one that its channels would not hold": "are refused",
}
"""The same of images."""


def unusual(inputs: Sequence[Input]) -> dict[str, str]:
    """What becomes of each unusual value in these columns."""
    return UNUSUAL | (UNUSUAL_IMAGES if any(one.image for one in inputs) else {})


def treatments(inputs: Sequence[Input], normalization: Normalization) -> list[Row]:
    """Column, PostgreSQL type, kind and treatment of each input."""
    numeric = {feature.name: feature for feature in normalization.numeric}
    categories = {vocabulary.name: vocabulary for vocabulary in normalization.categories}
    return [
        (
            code(one.name),
            one.postgres_type,
            one.kind,
            _image(one.image)
            if one.image
            else _category(categories[one.name])
            if one.kind == "category"
            else _number(one.name, numeric.get(one.name), normalization),
        )
        for one in inputs
    ]


def _number(name: str, feature: NumericFeature | None, normalization: Normalization) -> str:
    if feature is None:
        return f"only whether it is NULL; {normalization.dropped[name]}"
    scaled = _SCALED[normalization.method].format(center=feature.center, scale=feature.scale)
    indicator = ", flagged by a 0/1 column" * (name in normalization.indicators)
    return f"{scaled}; NULL becomes {feature.fill:.6g}{indicator}"


def _image(image: Image) -> str:
    size = f"{image.width} x {image.height} pixels of {image.channels} channels"
    other = "others are resized" if image.resize else "no other size"
    return f"{size}, {other}; NULL is {image.nulls}"


def _category(vocabulary: Vocabulary) -> str:
    return (
        f"{len(vocabulary.values):,} of {vocabulary.distinct:,} training values have a code each; "
        "any other value shares one, NULL has its own"
    )
