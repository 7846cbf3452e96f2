"""The workload `transformer` as a JAX user writes it: four pre-norm layers of width 256, Adam."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax_adam import adam_step, time_steps

B, T, D, H, LAYERS = 8, 128, 256, 4, 4


def norm(z, scale, shift):
    mean = jnp.mean(z, -1, keepdims=True)
    var = jnp.mean(jnp.square(z - mean), -1, keepdims=True)
    return (z - mean) * jax.lax.rsqrt(var + 1e-5) * scale + shift


def loss(params, x):
    h = x
    for s1, t1, wq, bq, wo, bo, s2, t2, w1, b1, w2, b2 in params:
        qkv = (norm(h, s1, t1) @ wq + bq).reshape(B, T, 3, H, D // H)
        q, k, v = jnp.transpose(qkv, (2, 0, 3, 1, 4))
        p = jax.nn.softmax(q @ jnp.swapaxes(k, -1, -2) / float(D // H) ** 0.5)
        h = h + jnp.transpose(p @ v, (0, 2, 1, 3)).reshape(B, T, D) @ wo + bo
        u = norm(h, s2, t2) @ w1 + b1
        u = 0.5 * u * (1 + jnp.tanh(0.79788456 * (u + 0.044715 * u * u * u)))
        h = h + u @ w2 + b2
    return jnp.mean(jnp.square(h - 1.0))


def main():
    rng = np.random.RandomState(0)

    def weights(*shape):
        return (rng.randn(*shape) * 0.05).astype("f")

    params = []
    for _ in range(LAYERS):
        one = np.ones(D, "f")
        attention = [one, weights(D), weights(D, 3 * D), weights(3 * D), weights(D, D), weights(D)]
        feed_forward = [one, weights(D), weights(D, 4 * D), weights(4 * D), weights(4 * D, D), weights(D)]
        params.append(attention + feed_forward)
    time_steps("transformer", adam_step(loss), params, (rng.randn(B, T, D).astype("f"),))


if __name__ == "__main__":
    main()
