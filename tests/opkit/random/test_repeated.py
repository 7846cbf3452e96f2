"""Draws that are made ahead are those that are made alone."""

import numpy as np
import pytest

from millrace.opkit.random import philox
from millrace.opkit.random.fixed import normal, uniform, uniform_int
from millrace.opkit.random.repeated import _MOST, _MOST_KEPT, _RUNS, repeated


@pytest.mark.parametrize("dims", [(), (1,), (3,), (2, 5), (_MOST - 1,), (_MOST,)])
@pytest.mark.parametrize("seed", [-1, 5])  # of -1 the counter soon begins anew
def test_draws_made_ahead_are_those_made_alone(seed, dims):
    start = philox.initial_state(7, seed)
    start[:2] = np.uint32(0xFFFFFFFF)
    count = int(np.prod(dims))
    kinds = [("uniform", d, ()) for d in (np.float16, np.float32, np.float64)]
    kinds += [("normal", d, ()) for d in (np.float16, np.float32, np.float64)]
    kinds += [("integers", np.int32, (-3, 9)), ("integers", np.int64, (-3, 2**40))]
    for kind, dtype, ends in kinds:
        state = start
        for _ in range(_RUNS + 6):
            numbers, after = repeated(kind, dims, count, np.dtype(dtype), *ends).draw(state)
            if kind == "integers":
                alone = uniform_int(np, state, count, *(np.asarray(e, dtype) for e in ends))
            else:
                alone = (uniform if kind == "uniform" else normal)(np, state, count, dtype)
            np.testing.assert_array_equal(numbers, alone.reshape(dims))
            assert numbers.dtype == alone.dtype and numbers.shape == dims
            state = philox.reserve(np, state, count)
            np.testing.assert_array_equal(after, state)


def test_states_in_any_order_and_again():
    made = repeated("uniform", (5,), 5, np.dtype(np.float32))
    states = [philox.initial_state(seed, 0) for seed in range(5)]
    for state in [*states, *states[::-1], *(philox.reserve(np, s, 5) for s in states), *states]:
        np.testing.assert_array_equal(made.draw(state)[0], uniform(np, state, 5, np.float32))


def test_what_is_kept_is_bounded():
    made = repeated("uniform", (2,), 2, np.dtype(np.float32))
    for seed in range(3 * _MOST_KEPT):
        _, after = made.draw(philox.initial_state(seed, 0))
        made.draw(after)
    assert len(made._ready) <= _MOST_KEPT + _RUNS
    assert len(made._next) <= _MOST_KEPT + 1


def test_large_and_empty_draws_are_made_as_they_come():
    for count in (0, _MOST + 1):
        assert repeated("uniform", (count,), count, np.dtype(np.float32)) is None
