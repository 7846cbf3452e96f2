"""Random boxes within images."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.dtypes import INDEX
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import flag, integer, number, numbers
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random.philox import skip, stateless_state
from millrace.opkit.random.rules import seed_pair
from millrace.opkit.random.seeds import generator
from millrace.opkit.random.stream import WordStream
from millrace.opkit.rules.shape_rules import with_rank

_SIZES = frozenset({dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64})
_F = np.float32
Box = tuple[int, int, int, int]  # x1, y1, x2, y2


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _common(a: Box, b: Box) -> int:
    low_x, low_y = max(a[0], b[0]), max(a[1], b[1])
    high_x, high_y = min(a[2], b[2]), min(a[3], b[3])
    return 0 if low_x > high_x or low_y > high_y else (high_x - low_x) * (high_y - low_y)


def _round(x: Any) -> int:
    return int(np.rint(_F(x)))


def _random_crop(
    width: int, height: int, areas: tuple[Any, Any], aspect: np.float32, source: WordStream
) -> Box | None:
    """A box of the aspect ratio and an area between two parts of the image, or None where there is none."""
    low, high = _F(areas[0]), _F(areas[1])
    if high <= 0 or aspect <= 0 or width <= 0 or height <= 0 or low > high:
        return None
    least, most = low * _F(width) * _F(height), high * _F(width) * _F(height)
    rows = _round(np.sqrt(least / aspect))
    limit = _round(np.sqrt(most / aspect))
    if _round(_F(limit) * aspect) > width:
        limit = int((_F(width) + 0.5 - 0.0000001) / aspect)
    limit = min(limit, height)
    rows = min(rows, limit)
    if rows < limit:
        rows += source.below(limit - rows + 1)
    columns = _round(_F(rows) * aspect)
    if _F(columns * rows) < least:
        rows += 1
        columns = _round(_F(rows) * aspect)
    if _F(columns * rows) > most:
        rows -= 1
        columns = _round(_F(rows) * aspect)
    area = _F(columns * rows)
    if area < least or area > most or columns > width or rows > height or columns <= 0 or rows <= 0:
        return None
    y = source.below(height - rows) if rows < height else 0
    x = source.below(width - columns) if columns < width else 0
    return x, y, x + columns, y + rows


def _covers(crop: Box, boxes: list[Box], least: float) -> bool:
    """Whether the crop covers enough of one of the boxes; boxes without area do not count."""
    if _area(crop) < 1:
        return False
    return any(_F(_common(crop, box)) / _F(_area(box)) >= least for box in boxes if _area(box) >= 1)


def _boxes_in_pixels(bounding_boxes: np.ndarray, width: int, height: int, use_image: bool) -> list[Box]:
    boxes = bounding_boxes.reshape(-1, 4)
    if len(boxes) == 0:
        if not use_image:
            rule = "No bounding boxes provided as input; use_image_if_no_bounding_boxes must be set then"
            raise refusal(f"{rule}. Received: shape {list(bounding_boxes.shape)}")
        return [(0, 0, width, height)]
    found = []
    for y1, x1, y2, x2 in boxes:
        if not (0 <= y1 < y2 <= 1 and 0 <= x1 < x2 <= 1):
            rule = "All bounding box coordinates must be in [0.0, 1.0], and minima below maxima"
            raise refusal(f"{rule}. Received: {[float(v) for v in (y1, x1, y2, x2)]}")
        found.append((int(x1 * _F(width)), int(y1 * _F(height)), int(x2 * _F(width)), int(y2 * _F(height))))
    return found


def _sample(state, image_size, bounding_boxes, least, aspects, areas, attempts, use_image) -> Any:
    if np.shape(image_size) != (3,):
        raise refusal(f"image_size must have 3 elements. Received: shape {list(np.shape(image_size))}")
    if bounding_boxes.ndim != 3 or bounding_boxes.shape[-1] != 4:
        raise refusal(f"bounding_boxes must be [batch, n, 4]. Received: shape {list(bounding_boxes.shape)}")
    if not 0 <= least <= 1:
        raise refusal(f"min_object_covered must be in [0, 1]. Received: {least}")
    if (
        len(aspects) != 2
        or min(aspects) <= 0
        or len(areas) != 2
        or not (0 < areas[0] <= 1 and 0 < areas[1] <= 1)
    ):
        raise refusal(f"aspect_ratio_range and area_range must be two positive numbers: {aspects}, {areas}")
    height, width = int(image_size[0]), int(image_size[1])
    if height <= 0 or width <= 0:
        raise refusal(f"image height and width must be positive. Received: {[height, width]}")
    boxes = _boxes_in_pixels(bounding_boxes.astype(_F), width, height, use_image)
    source = WordStream(state)
    crop: Box = (0, 0, width, height)
    low, high = _F(aspects[0]), _F(aspects[1])
    for _ in range(attempts):
        aspect = np.float32(source.float32()) * (high - low) + low
        found = _random_crop(width, height, areas, aspect, source)
        if found is not None and _covers(found, boxes, _F(least)):
            crop = found
            break
    dtype = image_size.dtype
    begin = np.array([crop[1], crop[0], 0], dtype)
    size = np.array([crop[3] - crop[1], crop[2] - crop[0], -1]).astype(dtype)
    box = np.array([_F(crop[1]) / _F(height), _F(crop[0]) / _F(width),
                    _F(crop[3]) / _F(height), _F(crop[2]) / _F(width)], _F)  # fmt: skip
    # TensorFlow reserves four words for each attempt
    return begin, size, box.reshape(1, 1, 4), skip(np, state, attempts)


def _sampled_shape(image_size: Dims, bounding_boxes: Dims) -> list[Dims]:
    shapes.merge(with_rank(image_size, 1, "image_size"), (3,))
    with_rank(bounding_boxes, 3, "bounding_boxes")
    return [(3,), (3,), (1, 1, 4)]


@declare(
    "SampleDistortedBoundingBox(image_size: T, bounding_boxes: float) -> begin: T, size: T, bboxes: float",
    T=_SIZES,
    seed=integer(0),
    seed2=integer(0),
    min_object_covered=number(0.1),
    aspect_ratio_range=numbers((0.75, 1.33)),
    area_range=numbers((0.05, 1.0)),
    max_attempts=integer(100),
    use_image_if_no_bounding_boxes=flag(False),
    state=generator,
    host=True,
)
class SampleDistortedBoundingBox:
    """A random box of an image that covers enough of one of its bounding boxes."""

    def shape(image_size, bounding_boxes):
        return _sampled_shape(image_size, bounding_boxes)

    def kernel(
        xp,
        state,
        image_size,
        bounding_boxes,
        min_object_covered,
        aspect_ratio_range,
        area_range,
        max_attempts,
        use_image_if_no_bounding_boxes,
    ):
        return _sample(
            state,
            image_size,
            bounding_boxes,
            min_object_covered,
            aspect_ratio_range,
            area_range,
            max_attempts,
            use_image_if_no_bounding_boxes,
        )

    grad = NOT_DIFFERENTIABLE


@declare(
    "SampleDistortedBoundingBoxV2(image_size: T, bounding_boxes: float, min_object_covered: float) "
    "-> begin: T, size: T, bboxes: float",
    T=_SIZES,
    seed=integer(0),
    seed2=integer(0),
    aspect_ratio_range=numbers((0.75, 1.33)),
    area_range=numbers((0.05, 1.0)),
    max_attempts=integer(100),
    use_image_if_no_bounding_boxes=flag(False),
    state=generator,
    host=True,
)
class SampleDistortedBoundingBoxV2:
    """SampleDistortedBoundingBox with the least cover as an input."""

    def shape(image_size, bounding_boxes, min_object_covered):
        return _sampled_shape(image_size, bounding_boxes)

    def kernel(
        xp,
        state,
        image_size,
        bounding_boxes,
        min_object_covered,
        aspect_ratio_range,
        area_range,
        max_attempts,
        use_image_if_no_bounding_boxes,
    ):
        return _sample(
            state,
            image_size,
            bounding_boxes,
            float(min_object_covered),
            aspect_ratio_range,
            area_range,
            max_attempts,
            use_image_if_no_bounding_boxes,
        )

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessSampleDistortedBoundingBox(image_size: T, bounding_boxes: float, min_object_covered: float, "
    "seed: Tseed) -> begin: T, size: T, bboxes: float",
    T=_SIZES,
    Tseed=INDEX,
    aspect_ratio_range=numbers((0.75, 1.33)),
    area_range=numbers((0.05, 1.0)),
    max_attempts=integer(100),
    use_image_if_no_bounding_boxes=flag(False),
    host=True,
)
class StatelessSampleDistortedBoundingBox:
    """SampleDistortedBoundingBoxV2 of a seed."""

    def shape(image_size, bounding_boxes, min_object_covered, seed):
        seed_pair(seed)
        return _sampled_shape(image_size, bounding_boxes)

    def kernel(xp, image_size, bounding_boxes, min_object_covered, seed, aspect_ratio_range, area_range,
               max_attempts, use_image_if_no_bounding_boxes):  # fmt: skip
        state = stateless_state(np, np.asarray(seed))
        options = aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes
        return _sample(state, image_size, bounding_boxes, float(min_object_covered), *options)[:3]

    grad = NOT_DIFFERENTIABLE


@public("image.sample_distorted_bounding_box")
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = None,
    seed2: int | None = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> Any:
    """A random box of an image that covers enough of one of its bounding boxes.

    Args:
      image_size: integer `[3]`: height, width, channels.
      bounding_boxes: float32 `[batch, n, 4]`: y1, x1, y2, x2 relative to the image.
      seed, seed2: seeds of the generator.
      min_object_covered: float32 scalar, the part of a bounding box that the result must cover.
      aspect_ratio_range: two numbers, width by height; default 0.75 and 1.33.
      area_range: two numbers, as parts of the image; default 0.05 and 1.
      max_attempts: how often to try before the whole image is given; default 100.
      use_image_if_no_bounding_boxes: take the whole image where no box is given.
      name: op name; default "sample_distorted_bounding_box".

    Returns:
      `(begin [3], size [3], bboxes [1, 1, 4])`: the first two for `tf.slice`, the last relative to the image.

    Raises:
      InvalidArgumentError: when run, a box is malformed, or there is none.
    """
    given = dict(
        aspect_ratio_range=aspect_ratio_range,
        area_range=area_range,
        max_attempts=max_attempts,
        use_image_if_no_bounding_boxes=use_image_if_no_bounding_boxes,
    )
    attrs = {key: value for key, value in given.items() if value is not None}
    seeds = dict(seed=seed or 0, seed2=seed2 or 0)
    with name_scope(name, "sample_distorted_bounding_box"):
        return raw.SampleDistortedBoundingBoxV2(
            image_size, bounding_boxes, min_object_covered, **seeds, **attrs
        )
