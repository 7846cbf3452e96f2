"""The workload `transformer` as a PyTorch user writes it: four pre-norm layers of width 256, Adam."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional
from torch_adam import parameters, time_steps

B, T, D, H, LAYERS = 8, 128, 256, 4, 4
SHAPES = (
    *((D,), (D,), (D, 3 * D), (3 * D,), (D, D), (D,)),
    *((D,), (D,), (D, 4 * D), (4 * D,), (4 * D, D), (D,)),
)


def layer(h, s1, t1, wq, bq, wo, bo, s2, t2, w1, b1, w2, b2):
    qkv = functional.layer_norm(h, (D,), s1, t1) @ wq + bq
    q, k, v = qkv.reshape(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)
    attended = functional.scaled_dot_product_attention(q, k, v)
    h = h + attended.transpose(1, 2).reshape(B, T, D) @ wo + bo
    u = functional.gelu(functional.layer_norm(h, (D,), s2, t2) @ w1 + b1, approximate="tanh")
    return h + u @ w2 + b2


def main():
    trained = parameters(*SHAPES * LAYERS)
    x = torch.tensor(np.random.RandomState(0).randn(B, T, D).astype("f"))

    def loss():
        h = x
        for i in range(0, len(trained), len(SHAPES)):
            h = layer(h, *trained[i : i + len(SHAPES)])
        return (h - 1.0).square().mean()

    time_steps("transformer", loss, trained)


if __name__ == "__main__":
    main()
