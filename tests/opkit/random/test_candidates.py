"""Class samplers against picks and expected counts recorded from TensorFlow 1.15.

The arrays are named `sampler/unique/num_sampled/run/output`, or `case/run/output`.
"""

import pathlib

import numpy as np
import pytest

from millrace.opkit.random import candidates, philox

GOLDEN = np.load(pathlib.Path(__file__).with_name("candidates_golden.npz"))
TRUE = np.array([[0, 3], [5, 1], [2, 2]])
UNIGRAMS = np.array([1.0, 2.0, 0.5, 4.0, 3.0, 1.0, 1.0, 7.0, 2.0], np.float32)
FIXED = {
    "fixed": UNIGRAMS ** np.float32(0.75),
    "reserved": [0.0, 0.0, *UNIGRAMS[:7]],
    "sharded": [2.0, 3.0, 2.0],
    "file": [0.0, 1.0, 2.5, 0.5, 4.0, 1.0, 1.0, 9.0],
}
CASES = sorted({name.rsplit("/", 2)[0] for name in GOLDEN.files} - {"all", "hits"})


@pytest.mark.parametrize("case", CASES)
def test_recorded(case):
    kind, *rest = case.split("/")
    unique, count = (rest[0] == "1", int(rest[1])) if rest else (kind == "file", 4)
    true = TRUE // 2 if kind == "sharded" else TRUE
    state, weights = philox.initial_state(1, 2), np.ones(9, np.int64)
    for run in range(3):
        if kind in FIXED:
            sampler = candidates.FixedSampler(FIXED[kind])
        elif kind in ("learned", "unsafe"):
            sampler = candidates.CountingSampler(weights)
        else:
            sampler = (candidates.UniformSampler if kind == "uniform" else candidates.LogUniformSampler)(9)
        classes, *expected = candidates.sample(sampler, state, count, unique, true)
        np.testing.assert_array_equal(classes, GOLDEN[f"{case}/{run}/0"])
        for i, got in enumerate(expected, 1):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, GOLDEN[f"{case}/{run}/{i}"], rtol=1e-6)
        state = philox.skip(np, state, (candidates.WORDS_PER_SAMPLE * count + 3) // 4)
        weights = weights + np.bincount(true.reshape(-1), minlength=9)
