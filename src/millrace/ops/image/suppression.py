"""Bounding boxes: suppression of those that overlap better ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import Known
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import flag, number
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank

_FLOATS = frozenset({dtypes.float16, dtypes.float32})


def _overlaps(box: Any, others: Any) -> Any:
    """Intersection over union of `[4]` with `[n, 4]`; 0 where either has no area."""

    def ordered(b: Any) -> tuple[Any, ...]:
        low_y, high_y = np.minimum(b[..., 0], b[..., 2]), np.maximum(b[..., 0], b[..., 2])
        low_x, high_x = np.minimum(b[..., 1], b[..., 3]), np.maximum(b[..., 1], b[..., 3])
        return low_y, low_x, high_y, high_x, (high_y - low_y) * (high_x - low_x)

    y1, x1, y2, x2, area = ordered(box)
    v1, u1, v2, u2, areas = ordered(others)
    zero = areas.dtype.type(0)
    height = np.maximum(np.minimum(y2, v2) - np.maximum(y1, v1), zero)
    width = np.maximum(np.minimum(x2, u2) - np.maximum(x1, u1), zero)
    common = height * width
    solid = (area > 0) & (areas > 0)
    with np.errstate(all="ignore"):
        return np.where(solid, common / (area + areas - common), zero)


_TAKEN = -1


class _Queue:
    """A binary heap, largest score first, that leaves equal scores in the order of TensorFlow's.

    TensorFlow puts a chosen candidate back (to drop it when it comes up again), which moves its equals; the
    operations here are those of the C++ standard library's heap, and `_TAKEN` marks what was put back.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Any, int, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def push(self, row: tuple[Any, int, int]) -> None:
        """Adds (score, index, how many chosen candidates it has been compared with)."""
        self._rows.append(row)
        self._rise(len(self._rows) - 1, row)

    def _rise(self, hole: int, row: tuple[Any, int, int]) -> None:
        rows = self._rows
        while hole > 0 and rows[(hole - 1) // 2][0] < row[0]:
            rows[hole] = rows[(hole - 1) // 2]
            hole = (hole - 1) // 2
        rows[hole] = row

    def pop(self) -> tuple[Any, int, int]:
        """Takes out the best."""
        rows = self._rows
        best, row = rows[0], rows.pop()
        size = len(rows)
        if size == 0:
            return best
        hole = child = 0
        while child < (size - 1) // 2:
            child = 2 * (child + 1)
            if rows[child][0] < rows[child - 1][0]:
                child -= 1
            rows[hole] = rows[child]
            hole = child
        if size % 2 == 0 and child == (size - 2) // 2:
            child = 2 * child + 1
            rows[hole] = rows[child]
            hole = child
        self._rise(hole, row)
        return best


def _suppress(
    similarity: Callable[[int, np.ndarray], np.ndarray],
    scores: np.ndarray,
    limit: int,
    threshold: float,
    score_threshold: float,
    sigma: float = 0.0,
    inclusive: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """The indices chosen, best first, and their scores.

    Args:
      similarity: of one candidate with an array of others.
      scores: `[n]`.
      limit: how many at most.
      threshold: candidates more similar than this to a chosen one are dropped.
      score_threshold: candidates must score above this.
      inclusive: drop those just as similar, too.
      sigma: above 0, the scores of similar candidates decay instead.
    """
    scale = np.float32(-0.5 / sigma) if sigma > 0 else np.float32(0)
    queue = _Queue()
    for i, first in enumerate(scores):
        if first > score_threshold:
            queue.push((np.float32(first), i, 0))
    chosen: list[int] = []
    found: list[Any] = []
    while queue and len(chosen) < limit:
        original, index, begin = queue.pop()
        if begin == _TAKEN:
            continue
        score = original
        dropped = False
        if len(chosen) > begin:
            alike = similarity(index, np.array(chosen[begin:]))[::-1]
            if sigma <= 0:
                dropped = bool((alike >= threshold if inclusive else alike > threshold).any())
            else:
                for s in alike:
                    score = np.float32(score * (np.exp(scale * s * s) if s < threshold else 0))
                    dropped = bool(s >= threshold)
                    if dropped or score <= score_threshold:
                        break
        if dropped:
            continue
        if score == original:
            chosen.append(index)
            found.append(score)
            queue.push((score, index, _TAKEN))
        elif score > score_threshold:
            queue.push((score, index, len(chosen)))
    return np.array(chosen, np.int32), np.array(found, scores.dtype)


def _check_candidates(boxes: Any, scores: Any, limit: Any, *thresholds: Any) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise refusal(f"boxes must be [num_boxes, 4]. Received: shape {list(boxes.shape)}")
    if scores.shape != boxes.shape[:1]:
        raise refusal(
            f"scores has incompatible shape. Received: {list(scores.shape)} and boxes {list(boxes.shape)}"
        )
    for value in (limit, *thresholds):
        if np.shape(value) != ():
            raise refusal(
                f"thresholds and max_output_size must be scalars. Received: shape {list(np.shape(value))}"
            )


def _check_overlap(threshold: Any) -> float:
    if not 0 <= threshold <= 1:
        raise refusal(f"iou_threshold must be in [0, 1]. Received: {threshold}")
    return float(threshold)


def _chosen_boxes(
    boxes: Any,
    scores: Any,
    limit: Any,
    threshold: Any,
    score_threshold: Any,
    sigma: Any = 0.0,
    inclusive: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    _check_candidates(boxes, scores, limit, threshold, score_threshold)
    _check_overlap(threshold)
    wide = boxes.astype(np.float32)
    return _suppress(
        lambda i, others: _overlaps(wide[i], wide[others]),
        scores,
        int(limit),
        float(threshold),
        float(score_threshold),
        float(sigma),
        inclusive,
    )


def _padded(x: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([x, np.zeros(max(size - len(x), 0), x.dtype)])


def _candidates_shape(boxes: Dims, scores: Dims) -> None:
    corners, values = with_rank(boxes, 2, "boxes"), with_rank(scores, 1, "scores")
    shapes.merge(corners[:1], values)  # type: ignore[index]
    if corners[1] not in (None, 4):  # type: ignore[index]
        raise ValueError(f"'boxes' must be [num_boxes, 4]. Received: shape {shapes.format_dims(boxes)}")


def _limit_dims(limit: Known, pad: bool) -> Dims:
    if not pad or limit.value is None:
        return (None,)
    return (max(int(limit.value), 0),)


@declare(
    "NonMaxSuppression(boxes: float, scores: float, max_output_size: int32) -> selected_indices: int32",
    iou_threshold=number(0.5),
    host=True,
)
class NonMaxSuppression:
    """The best boxes, dropping those that overlap a better one; best first."""

    def shape(boxes, scores, max_output_size):
        _candidates_shape(boxes, scores)
        return (None,)

    def kernel(xp, boxes, scores, max_output_size, iou_threshold):
        return _chosen_boxes(boxes, scores, max_output_size, np.float32(iou_threshold), -np.inf)[0]

    grad = NOT_DIFFERENTIABLE


@declare(
    "NonMaxSuppressionV2(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold) "
    "-> selected_indices: int32",
    T=_FLOATS,
    T_threshold=_FLOATS,
    host=True,
)
class NonMaxSuppressionV2:
    """NonMaxSuppression with the threshold as an input."""

    def shape(boxes, scores, max_output_size, iou_threshold):
        _candidates_shape(boxes, scores)
        return (None,)

    def kernel(xp, boxes, scores, max_output_size, iou_threshold):
        return _chosen_boxes(boxes, scores, max_output_size, iou_threshold, -np.inf)[0]

    grad = NOT_DIFFERENTIABLE


@declare(
    "NonMaxSuppressionV3(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold, "
    "score_threshold: T_threshold) -> selected_indices: int32",
    T=_FLOATS,
    T_threshold=_FLOATS,
    host=True,
)
class NonMaxSuppressionV3:
    """NonMaxSuppressionV2 among boxes that score above a threshold."""

    def shape(boxes, scores, max_output_size, iou_threshold, score_threshold):
        _candidates_shape(boxes, scores)
        return (None,)

    def kernel(xp, boxes, scores, max_output_size, iou_threshold, score_threshold):
        return _chosen_boxes(boxes, scores, max_output_size, iou_threshold, score_threshold)[0]

    grad = NOT_DIFFERENTIABLE


@declare(
    "NonMaxSuppressionV4(boxes: T, scores: T, max_output_size: int32, iou_threshold: T_threshold, "
    "score_threshold: T_threshold) -> selected_indices: int32, valid_outputs: int32",
    T=_FLOATS,
    T_threshold=_FLOATS,
    pad_to_max_output_size=flag(False),
    static=("max_output_size",),
    host=True,
)
class NonMaxSuppressionV4:
    """NonMaxSuppressionV3 that can fill the result up with zeros, and says how many are real."""

    def shape(boxes, scores, max_output_size, iou_threshold, score_threshold, pad_to_max_output_size):
        _candidates_shape(boxes, scores)
        return [_limit_dims(max_output_size, pad_to_max_output_size), ()]

    def kernel(xp, boxes, scores, max_output_size, iou_threshold, score_threshold, pad_to_max_output_size):
        chosen, _ = _chosen_boxes(boxes, scores, max_output_size, iou_threshold, score_threshold)
        count = np.array(len(chosen), np.int32)
        return _padded(chosen, int(max_output_size)) if pad_to_max_output_size else chosen, count

    grad = NOT_DIFFERENTIABLE


@declare(
    "NonMaxSuppressionV5(boxes: T, scores: T, max_output_size: int32, iou_threshold: T, score_threshold: T, "
    "soft_nms_sigma: T) -> selected_indices: int32, selected_scores: T, valid_outputs: int32",
    T=_FLOATS,
    pad_to_max_output_size=flag(False),
    static=("max_output_size",),
    host=True,
)
class NonMaxSuppressionV5:
    """NonMaxSuppressionV4 that can let the scores of overlapping boxes decay, and gives the scores."""

    def shape(
        boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma, pad_to_max_output_size
    ):
        _candidates_shape(boxes, scores)
        dims = _limit_dims(max_output_size, pad_to_max_output_size)
        return [dims, dims, ()]

    def kernel(
        xp,
        boxes,
        scores,
        max_output_size,
        iou_threshold,
        score_threshold,
        soft_nms_sigma,
        pad_to_max_output_size,
    ):
        if soft_nms_sigma < 0:
            raise refusal(f"soft_nms_sigma must be non-negative. Received: {soft_nms_sigma}")
        chosen, found = _chosen_boxes(
            boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma
        )
        count = np.array(len(chosen), np.int32)
        if pad_to_max_output_size:
            chosen, found = (_padded(x, int(max_output_size)) for x in (chosen, found))
        return chosen, found, count

    grad = NOT_DIFFERENTIABLE


@declare(
    "NonMaxSuppressionWithOverlaps(overlaps: float, scores: float, max_output_size: int32, "
    "overlap_threshold: float, score_threshold: float) -> selected_indices: int32",
    host=True,
)
class NonMaxSuppressionWithOverlaps:
    """The best candidates, dropping those that overlap a better one by a given matrix; best first."""

    def shape(overlaps, scores, max_output_size, overlap_threshold, score_threshold):
        square, values = with_rank(overlaps, 2, "overlaps"), with_rank(scores, 1, "scores")
        shapes.merge(shapes.merge(square[:1], square[1:]), values)  # type: ignore[index]
        return (None,)

    def kernel(xp, overlaps, scores, max_output_size, overlap_threshold, score_threshold):
        if overlaps.ndim != 2 or overlaps.shape[0] != overlaps.shape[1] or scores.shape != overlaps.shape[:1]:
            raise refusal(
                f"overlaps must be square and fit scores: {list(overlaps.shape)}, {list(scores.shape)}"
            )
        return _suppress(
            lambda i, others: overlaps[i, others],
            scores,
            int(max_output_size),
            float(overlap_threshold),
            float(score_threshold),
        )[0]

    grad = NOT_DIFFERENTIABLE


@declare(
    "CombinedNonMaxSuppression(boxes: float, scores: float, max_output_size_per_class: int32, "
    "max_total_size: int32, iou_threshold: float, score_threshold: float) -> nmsed_boxes: float, "
    "nmsed_scores: float, nmsed_classes: float, valid_detections: int32",
    pad_per_class=flag(False),
    clip_boxes=flag(True),
    static=("max_output_size_per_class", "max_total_size"),
    host=True,
)
class CombinedNonMaxSuppression:
    """Suppression class by class for each image of a batch, and the best of all classes together."""

    def shape(
        boxes,
        scores,
        max_output_size_per_class,
        max_total_size,
        iou_threshold,
        score_threshold,
        pad_per_class,
    ):
        corners, values = with_rank(boxes, 4, "boxes"), with_rank(scores, 3, "scores")
        batch = shapes.merge(corners[:1], values[:1])[0]  # type: ignore[index]
        classes = values[2]  # type: ignore[index]
        total = max_total_size.scalar("max_total_size")
        if pad_per_class:
            per_class = max_output_size_per_class.value
            known = per_class is not None and classes is not None and total is not None
            total = min(total, int(per_class) * classes) if known else None  # type: ignore[arg-type,operator]
        return [(batch, total, 4), (batch, total), (batch, total), (batch,)]

    def kernel(
        xp,
        boxes,
        scores,
        max_output_size_per_class,
        max_total_size,
        iou_threshold,
        score_threshold,
        pad_per_class,
        clip_boxes,
    ):
        if boxes.ndim != 4 or scores.ndim != 3 or boxes.shape[:2] != scores.shape[:2] or boxes.shape[3] != 4:
            raise refusal(f"boxes and scores must be [b, n, q, 4] and [b, n, classes]: "
                           f"{list(boxes.shape)}, {list(scores.shape)}")  # fmt: skip
        batch, _, kinds, _ = boxes.shape
        classes = scores.shape[2]
        if kinds not in (1, classes):
            raise refusal(f"third dimension of boxes must be 1 or {classes}. Received: {list(boxes.shape)}")
        per_class, total = int(max_output_size_per_class), int(max_total_size)
        if per_class <= 0 or total <= 0:
            raise refusal(f"output sizes must be positive. Received: {[per_class, total]}")
        size = min(total, per_class * classes) if pad_per_class else total
        out_boxes = np.zeros((batch, size, 4), np.float32)
        out_scores, out_classes = np.zeros((batch, size), np.float32), np.zeros((batch, size), np.float32)
        valid = np.zeros(batch, np.int32)
        for b in range(batch):
            found: list[tuple[float, int, Any]] = []
            for c in range(classes):
                own = boxes[b, :, c if kinds > 1 else 0]
                chosen, best = _chosen_boxes(
                    own, scores[b, :, c], per_class, iou_threshold, score_threshold, inclusive=False
                )
                found += [(float(s), c, own[i]) for i, s in zip(chosen, best, strict=True)]
            found.sort(key=lambda row: -row[0])
            found = found[:size]
            valid[b] = len(found)
            for i, (score, c, box) in enumerate(found):
                out_boxes[b, i] = np.clip(box, 0, 1) if clip_boxes else box
                out_scores[b, i], out_classes[b, i] = score, c
        return out_boxes, out_scores, out_classes, valid

    grad = NOT_DIFFERENTIABLE


# ---------------------------------------------------------------- public


def _thresholds(overlap: Any, score: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors, which TensorFlow makes before the others."""
    return (
        convert_to_tensor(overlap, "float32", name="iou_threshold"),
        convert_to_tensor(score, "float32", name="score_threshold"),
    )


@public("image.non_max_suppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """The best boxes, without those that overlap a better one too much.

    Args:
      boxes: float32 `[num_boxes, 4]`: y1, x1, y2, x2.
      scores: float32 `[num_boxes]`.
      max_output_size: int32 scalar.
      iou_threshold: boxes whose intersection over union with a better one reaches this are dropped.
      score_threshold: boxes that do not score above this are dropped.
      name: op name; default "non_max_suppression".

    Returns:
      int32 `[n]`, indices of the boxes kept, best first.

    Raises:
      InvalidArgumentError: when run, `iou_threshold` is not in [0, 1].
    """
    with name_scope(name, "non_max_suppression"):
        iou_threshold, score_threshold = _thresholds(iou_threshold, score_threshold)
        return raw.NonMaxSuppressionV3(boxes, scores, max_output_size, iou_threshold, score_threshold)


@public("image.non_max_suppression_with_scores")
def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """As `non_max_suppression`, with the scores; above 0, `soft_nms_sigma` lets scores decay with overlap.

    Returns:
      `(int32 [n] indices, float32 [n] scores)`.
    """
    with name_scope(name, "non_max_suppression_with_scores"):
        iou_threshold, score_threshold = _thresholds(iou_threshold, score_threshold)
        soft_nms_sigma = convert_to_tensor(soft_nms_sigma, "float32", name="soft_nms_sigma")
        chosen, found, _ = raw.NonMaxSuppressionV5(
            boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma
        )
        return chosen, found


@public("image.non_max_suppression_padded")
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_to_max_output_size: bool = False,
    name: str | None = None,
) -> Any:
    """As `non_max_suppression`, optionally filled up with zeros.

    Returns:
      `(int32 indices, how many of them are real)`.
    """
    with name_scope(name, "non_max_suppression_padded"):
        iou_threshold, score_threshold = _thresholds(iou_threshold, score_threshold)
        return raw.NonMaxSuppressionV4(
            boxes,
            scores,
            max_output_size,
            iou_threshold,
            score_threshold,
            pad_to_max_output_size=pad_to_max_output_size,
        )


@public("image.non_max_suppression_overlaps")
def non_max_suppression_with_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Tensor:
    """As `non_max_suppression`, with the overlaps given: float32 `[num_boxes, num_boxes]`."""
    with name_scope(name, "non_max_suppression_overlaps"):
        return raw.NonMaxSuppressionWithOverlaps(
            overlaps, scores, max_output_size, overlap_threshold, score_threshold
        )


@public("image.combined_non_max_suppression")
def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> Any:
    """Suppression class by class for each image of a batch.

    Args:
      boxes: float32 `[batch, num_boxes, q, 4]`; q is 1, or the number of classes.
      scores: float32 `[batch, num_boxes, classes]`.
      max_output_size_per_class: int32 scalar.
      max_total_size: int32 scalar, over all classes.
      iou_threshold, score_threshold: as for `non_max_suppression`.
      pad_per_class: give no more rows than classes times the size per class.
      clip_boxes: limit coordinates to [0, 1].
      name: op name; default "combined_non_max_suppression".

    Returns:
      `(boxes [batch, n, 4], scores [batch, n], classes [batch, n], valid detections [batch])`.
    """
    with name_scope(name, "combined_non_max_suppression"):
        iou_threshold, score_threshold = _thresholds(iou_threshold, score_threshold)
        return raw.CombinedNonMaxSuppression(
            boxes,
            scores,
            max_output_size_per_class,
            max_total_size,
            iou_threshold,
            score_threshold,
            pad_per_class=pad_per_class,
            clip_boxes=clip_boxes,
        )
