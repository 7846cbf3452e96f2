"""Hue, saturation and value of RGB images, turned and scaled as a linear map of their YIQ colours."""

from __future__ import annotations

import numpy as np

from millrace.core.dtypes import float32
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import at_least

_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = np.linalg.inv(_YIQ)


@declare(
    "AdjustHsvInYiq(images: T, delta_h: float, scale_s: float, scale_v: float) -> output: T",
    T=frozenset({float32}),
)
class AdjustHsvInYiq:
    """Turns the plane of I and Q by an angle, and scales it and Y."""

    def shape(images, delta_h, scale_s, scale_v):
        return at_least(images, 3, "images")

    def kernel(xp, images, delta_h, scale_s, scale_v):
        cosine, sine = xp.cos(delta_h) * scale_s, xp.sin(delta_h) * scale_s
        luma, in_phase, quadrature = (xp.matmul(images, _YIQ[i].astype(np.float32)) for i in range(3))
        turned = (luma, cosine * in_phase - sine * quadrature, sine * in_phase + cosine * quadrature)
        return xp.matmul(xp.stack(turned, -1) * scale_v, _RGB.T.astype(np.float32))

    grad = NOT_DIFFERENTIABLE
