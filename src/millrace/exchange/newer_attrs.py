"""Attributes that releases after 1.15 added to operation types, and that change nothing as they stand here.

A program of a later release writes them into every node. TensorFlow drops what has its default where the
file tells the defaults; this table serves files that do not. An attribute that may change what an operation
computes is listed with the one value that does not.
"""

from __future__ import annotations

from typing import Any

from millrace.core import protos

# Names of things, hints to schedulers and devices: no value changes a result.
_HINTS = frozenset(
    (
        "allowed_devices",
        "config",
        "config_proto",
        "cross_trainer_cache_options",
        "cudnn_use_autotune",
        "debug_name",
        "executor_type",
        "force_synchronous",
        "grad_a",
        "grad_b",
        "grad_x",
        "grad_y",
        "metadata",
        "parallel_iterations",
        "preserve_cardinality",
        "use_inter_op_parallelism",
        "sparse_gradient",
        "use_default_device",
        "validate_shape",
        "warm_start",
    )
)
_DEFAULTS: dict[str, Any] = {
    "axis": -1,
    "blank_index": -1,
    "deterministic": b"default",
    "ensure_minimum_range": 0.01,
    "exponential_avg_factor": 1.0,
    "fill_mode": b"CONSTANT",
    "incompatible_shape_error": True,
    "is_training": True,
    "legacy_autotune": True,
    "mode": b"MIN_COMBINED",
    "reshuffle_each_iteration": True,
    "round_mode": b"HALF_AWAY_FROM_ZERO",
    "shuffle": True,
}
_TYPES = {
    "Tcomplex": "DT_COMPLEX64",
    "Tk": "DT_INT32",
    "Treal": "DT_FLOAT",
    "Tshape": "DT_INT32",
    "Tnumsegments": "DT_INT32",
    "Tsegmentids": "DT_INT32",
    "Tsparse_indices": "DT_INT64",
    "index_type": "DT_INT32",
    "out_idx": "DT_INT32",
}

# Types whose dtype has a default in TensorFlow, so that files without defaults do not tell it.
TELLS_NO_TYPE = frozenset(
    [
        "AdjustContrastv2",
        "AdjustHue",
        "AdjustSaturation",
        "DataFormatDimMap",
        "DataFormatVecPermute",
        "DrawBoundingBoxes",
        "DrawBoundingBoxesV2",
        "EncodePng",
        "FFT",
        "FFT2D",
        "FFT3D",
        "HSVToRGB",
        "IFFT",
        "IFFT2D",
        "IFFT3D",
        "LRN",
        "LRNGrad",
        "LeakyRelu",
        "LeakyReluGrad",
        "MaxPool",
        "MaxPool3DGrad",
        "MaxPoolGrad",
        "MaxPoolGradV2",
        "MaxPoolV2",
        "NextAfter",
        "NonMaxSuppressionV2",
        "NonMaxSuppressionV3",
        "NonMaxSuppressionV4",
        "NonMaxSuppressionV5",
        "RGBToHSV",
        "StatefulUniformInt",
        "StringNGrams",
        "UnicodeEncode",
        "UnsortedSegmentJoin",
        "WriteHistogramSummary",
        "WriteImageSummary",
    ]
)


def changes_nothing(name: str, value: Any) -> bool:
    """Whether an attribute that a type does not declare can be left out.

    Args:
      name: the attribute's.
      value: its AttrValue. False, 0, "" and [] are what attributes added later say when unused.
    """
    if name in _HINTS:
        return True
    field = value.WhichOneof("value")
    if name in _DEFAULTS:
        return field in ("i", "f", "b", "s") and _same(getattr(value, field), _DEFAULTS[name])
    if field in ("i", "f", "b", "s") and not getattr(value, field):
        return True
    if field is None or (field == "list" and not value.list.ListFields()):
        return True
    return field == "type" and name in _TYPES and protos.DataType.Name(value.type) == _TYPES[name]


def _same(value: Any, default: Any) -> bool:
    return abs(value - default) < 1e-6 if isinstance(default, float) else value == default
