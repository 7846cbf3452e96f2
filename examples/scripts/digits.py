"""Pictures of digits, drawn rather than downloaded: strokes, shifted, slanted and made noisy."""

import numpy as np

# Strokes on a grid 4 wide and 6 high, as the corners that a pen visits.
STROKES = {
    0: [[(1, 0), (3, 0), (4, 2), (4, 4), (3, 6), (1, 6), (0, 4), (0, 2), (1, 0)]],
    1: [[(1, 1), (2, 0), (2, 6)]],
    2: [[(0, 1), (1, 0), (3, 0), (4, 1), (4, 2), (0, 6), (4, 6)]],
    3: [[(0, 0), (4, 0), (2, 2.5), (4, 4), (4, 5), (3, 6), (1, 6), (0, 5)]],
    4: [[(3, 6), (3, 0), (0, 4), (4, 4)]],
    5: [[(4, 0), (0, 0), (0, 2.5), (3, 2.5), (4, 4), (4, 5), (3, 6), (0, 6)]],
    6: [[(3, 0), (1, 1.5), (0, 4), (0, 5), (1, 6), (3, 6), (4, 5), (4, 4), (3, 3), (0, 3.5)]],
    7: [[(0, 0), (4, 0), (1.5, 6)]],
    8: [[(1, 0), (3, 0), (4, 1), (0, 5), (1, 6), (3, 6), (4, 5), (0, 1), (1, 0)]],
    9: [[(4, 2.5), (1, 3), (0, 2), (0, 1), (1, 0), (3, 0), (4, 1), (4, 3), (3, 6)]],
}


def draw(digit, rng):
    """Draws one digit: a float32 picture of 28 by 28, about 0 to 1."""
    # zip, because the Pythons of TensorFlow 1 have no pairwise
    lines = np.array([p for stroke in STROKES[digit] for p in zip(stroke, stroke[1:])], float)  # noqa: RUF007
    lines = (lines - [2, 3]) * rng.uniform([2.3, 2.3], [3.6, 3.3])  # size
    lines[..., 0] -= lines[..., 1] * rng.uniform(-0.25, 0.35)  # slant
    lines += 13.5 + rng.uniform(-3, 3, 2)  # place
    start, along = lines[:, 0], lines[:, 1] - lines[:, 0]
    y, x = np.mgrid[:28, :28]
    point = np.stack([x, y], -1)[:, :, None]  # [28, 28, 1, 2]
    share = ((point - start) * along).sum(-1) / (along**2).sum(-1)
    nearest = start + np.clip(share, 0, 1)[..., None] * along
    distance = np.sqrt(((point - nearest) ** 2).sum(-1)).min(-1)
    ink = np.clip(rng.uniform(1.4, 2.2) - distance, 0, 1)
    return (ink + rng.normal(0, 0.15, (28, 28))).astype(np.float32)


def load(count, seed=0):
    """Returns (pictures [count, 28, 28, 1], labels [count])."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, 10, count).astype(np.int32)
    return np.stack([draw(label, rng) for label in labels])[..., None], labels
