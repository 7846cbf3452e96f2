"""The workload `lstm` as a PyTorch user writes it: the fused `nn.LSTM`, 40 steps of 32 x 128, Adam."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch_adam import time_steps


def main():
    rng = np.random.RandomState(0)
    torch.manual_seed(0)
    network = nn.LSTM(128, 128, batch_first=True)
    x = torch.tensor(rng.randn(32, 40, 128).astype("f"))
    time_steps("lstm", lambda: (network(x)[0] - 0.1).square().mean(), list(network.parameters()))


if __name__ == "__main__":
    main()
