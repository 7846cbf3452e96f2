"""What the PyTorch versions of the workloads share: Adam's fused step, and how it is timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch


def parameters(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    """Trainable tensors of small normal numbers."""
    rng = np.random.RandomState(0)
    return [torch.tensor(rng.randn(*s).astype("f") * 0.05, requires_grad=True) for s in shapes]


def time_steps(name: str, loss: Callable[[], torch.Tensor], trained: Sequence[Any], runs: int = 15) -> None:
    """Prints seconds of the first step of training, and median microseconds of later ones."""
    optimizer = torch.optim.Adam(trained, lr=1e-3, eps=1e-8, fused=True)

    def step() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value.item()

    started = time.perf_counter()
    step()
    first = time.perf_counter() - started
    walls = []
    for _ in range(12 + runs):
        wall = time.perf_counter()
        value = step()
        walls.append(time.perf_counter() - wall)
    figures = {"first": first, "step_us": float(np.median(walls[12:])) * 1e6, "loss": value}
    print(json.dumps({"workload": name, "side": f"PyTorch {torch.__version__}", **figures}))
