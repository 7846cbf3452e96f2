"""The workload `cnn` as a JAX user writes it: two convolutions, two pools, two dense layers, Adam."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax_adam import adam_step, time_steps


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")


def loss(params, x, y):
    w1, b1, w2, b2, w3, b3, w4, b4 = params
    h = pool(jax.nn.relu(conv(x, w1) + b1))
    h = pool(jax.nn.relu(conv(h, w2) + b2))
    h = jax.nn.relu(h.reshape(-1, 7 * 7 * 64) @ w3 + b3)
    logits = h @ w4 + b4
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


def main():
    rng = np.random.RandomState(0)
    shapes = [(5, 5, 1, 32), (32,), (5, 5, 32, 64), (64,), (7 * 7 * 64, 1024), (1024,), (1024, 10), (10,)]
    params = [(rng.randn(*s) * 0.05).astype("f") for s in shapes]
    x, y = rng.randn(64, 28, 28, 1).astype("f"), rng.randint(0, 10, 64).astype("i")
    time_steps("cnn", adam_step(loss), params, (x, y))


if __name__ == "__main__":
    main()
