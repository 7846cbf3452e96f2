"""What the hand-written JAX versions of the workloads share: Adam's step, and how it is timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def adam_step(loss: Callable[..., Any], rate: float = 1e-3) -> Callable[..., Any]:
    """A jitted (state, *batch) -> (state, loss) that takes its state over.

    Args:
      loss: of a list of parameters and a batch.
      rate: the learning rate.
    """

    def step(state: Any, *batch: Any) -> Any:
        params, ms, vs, count = state
        value, grads = jax.value_and_grad(loss)(params, *batch)
        count = count + 1
        scale = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        ms = jax.tree.map(lambda m, g: m + (g - m) * 0.1, ms, grads)
        vs = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, vs, grads)
        params = jax.tree.map(lambda p, m, v: p - m * scale / (jnp.sqrt(v) + 1e-8), params, ms, vs)
        return (params, ms, vs, count), value

    return jax.jit(step, donate_argnums=0)


def time_steps(
    name: str, step: Callable[..., Any], params: Sequence[Any], batch: Any, runs: int = 15
) -> None:
    """Prints seconds of the first step, and median microseconds, wall and process time, of later ones."""
    params = jax.tree.map(jnp.asarray, params)
    slots = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
    state = (params, *slots, jnp.zeros((), jnp.float32))
    started = time.perf_counter()
    state, value = step(state, *batch)
    float(value)
    first = time.perf_counter() - started
    walls, cpus = [], []
    for _ in range(12 + runs):
        wall, cpu = time.perf_counter(), time.process_time()
        state, value = step(state, *batch)
        float(value)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    figures = {"step_us": np.median(walls[12:]) * 1e6, "cpu_us": np.median(cpus[12:]) * 1e6}
    print(json.dumps({"workload": name, "module": "jax", "first": first, **figures, "loss": float(value)}))
