"""The workload `mlp` as a PyTorch user writes it: three dense layers, Adam."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional
from torch_adam import parameters, time_steps


def main():
    rng = np.random.RandomState(0)
    trained = parameters((784, 512), (512,), (512, 512), (512,), (512, 10), (10,))
    x, y = torch.tensor(rng.randn(128, 784).astype("f")), torch.tensor(rng.randint(0, 10, 128))

    def loss():
        w1, b1, w2, b2, w3, b3 = trained
        h = torch.relu(torch.addmm(b1, x, w1))
        h = torch.relu(torch.addmm(b2, h, w2))
        return functional.cross_entropy(torch.addmm(b3, h, w3), y)

    time_steps("mlp", loss, trained)


if __name__ == "__main__":
    main()
