"""The workload `mlp` as a JAX user writes it: three dense layers, Adam."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax_adam import adam_step, time_steps


def loss(params, x, y):
    w1, b1, w2, b2, w3, b3 = params
    h = jax.nn.relu(x @ w1 + b1)
    h = jax.nn.relu(h @ w2 + b2)
    logits = h @ w3 + b3
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


def main():
    rng = np.random.RandomState(0)
    shapes = [(784, 512), (512,), (512, 512), (512,), (512, 10), (10,)]
    params = [(rng.randn(*s) * 0.05).astype("f") for s in shapes]
    x, y = rng.randn(128, 784).astype("f"), rng.randint(0, 10, 128).astype("i")
    time_steps("mlp", adam_step(loss), params, (x, y))


if __name__ == "__main__":
    main()
