"""How much TensorFlow 1.15's gradients count for default seeds, where they are other operations than here."""

from __future__ import annotations

from typing import Final

OF_GRADIENTS: Final[dict[str, int]] = {
    "Atan2": 7,
    "Cholesky": 33,
    "ComplexAbs": 6,
    "Cumprod": 4,
    "ExtractImagePatches": 97,
    "LeakyReluGrad": 4,
    "LogMatrixDeterminant": 7,
    "MatrixDeterminant": 8,
    "Qr": 27,
    "RandomGamma": 20,
    "Relu6Grad": 4,
    "ReluGrad": 4,
    "SegmentMean": 16,
    "Softplus": 2,
    "SoftplusGrad": 3,
    "SparseSegmentMean": 6,
    "SparseSegmentSqrtN": 6,
    "SparseSegmentSum": 8,
    "Tile": 12,
    "TopKV2": 43,
}
"""Types whose gradient is always as many operations there, whatever the shapes are."""

MORE_RESULTS: Final[dict[str, int]] = {"FusedBatchNorm": 2, "FusedBatchNormV2": 2, "FusedBatchNormV3": 2}
"""For how many more inputs of an operation in training TensorFlow has gradients that wait for the others."""
