"""What may be declared of image columns."""

from typing import Any

import pytest
from pydantic import ValidationError

from plumbline.spec import PipelineSpec

SHAPE = {"height": 32, "width": 32}


def declared(images: dict[str, Any], **source: Any) -> PipelineSpec:
    given = {"sql": "x.sql", "key": ["id"], "label": "y", "kinds": {"photo": "image"}}
    return PipelineSpec.model_validate(
        {"name": "x", "source": {**given, **source, "images": images}}
    )


def test_what_is_left_out_is_color_refused_and_not_resized():
    photo = declared({"photo": SHAPE}).source.images["photo"]
    assert (photo.channels, photo.resize, photo.nulls) == (3, False, "refused")
    assert declared({}).source.images == {}


@pytest.mark.parametrize(
    ("images", "source", "told"),
    [
        ({"scan": SHAPE}, {}, "not declared an image; add scan: image under kinds"),
        ({"photo": SHAPE}, {"kinds": {"photo": "category"}}, "not declared an image"),
        ({"photo": SHAPE}, {"key": ["photo"]}, "has another role"),
        ({"photo": {"height": 32}}, {}, "this option is required"),
        ({"photo": SHAPE | {"heigth": 3}}, {}, "did you mean 'height'?"),
        ({"photo": SHAPE | {"width": 4}}, {}, "greater than or equal to 8"),
        ({"photo": SHAPE | {"channels": 2}}, {}, "allowed are 1, 3 or 4"),
        ({"Photo 1": SHAPE}, {"kinds": {"Photo 1": "image"}}, "is not a name"),
    ],
)
def test_a_mistake_is_refused(images: dict[str, Any], source: dict[str, Any], told: str):
    with pytest.raises(ValidationError) as caught:
        declared(images, **source)
    assert told in str(caught.value)


def test_augmentations_are_named():
    with pytest.raises(ValidationError, match="allowed are 'shift', 'rotate', 'flip_horizontal'"):
        PipelineSpec.model_validate(
            {
                "name": "x",
                "source": {"sql": "x.sql", "key": ["id"], "label": "y"},
                "network": {"augmentation": ["mirror"]},
            }
        )
