"""The workload `cnn` as a PyTorch user writes it: two convolutions, two pools, two dense layers, Adam."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch_adam import time_steps


def main():
    rng = np.random.RandomState(0)
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(1, 32, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(7 * 7 * 64, 1024), nn.ReLU(), nn.Linear(1024, 10)),
    )
    x, y = torch.tensor(rng.randn(64, 1, 28, 28).astype("f")), torch.tensor(rng.randint(0, 10, 64))
    time_steps("cnn", lambda: nn.functional.cross_entropy(network(x), y), list(network.parameters()))


if __name__ == "__main__":
    main()
