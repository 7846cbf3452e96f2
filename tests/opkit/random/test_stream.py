"""Words that are made ahead are those that a stream would have made by itself."""

import numpy as np
import pytest

from millrace.opkit.random import philox
from millrace.opkit.random.stream import _MOST_BLOCKS, _MOST_KEPT, _RUNS, Ahead, WordStream


@pytest.mark.parametrize("jump", [1, 7, 32768, 2**40])
def test_streams_one_after_the_other(jump):
    state, made = philox.initial_state(3, 4), Ahead(5, jump)
    for _ in range(3 * _RUNS + 2):
        assert made.words(state).tolist() == philox.words(np, state, 20).tolist()
        state = philox.skip(np, state, jump)


def test_states_in_any_order_and_again():
    made = Ahead(5, 9)
    states = [philox.initial_state(seed, 0) for seed in range(5)]
    for state in [*states, *states[::-1], *(philox.skip(np, s, 9) for s in states), *states]:
        assert made.words(state).tolist() == philox.words(np, state, 20).tolist()


def test_what_is_kept_is_bounded():
    made = Ahead(1, 1)
    for seed in range(3 * _MOST_KEPT):
        state = philox.initial_state(seed, 0)
        made.words(state)
        made.words(philox.skip(np, state, 1))
    assert len(made._ready) <= _MOST_KEPT + max(_RUNS, _MOST_BLOCKS)
    assert len(made._next) <= _MOST_KEPT + 1


def test_a_stream_goes_on_behind_what_was_made_ahead():
    state = philox.initial_state(1, 2)
    for _ in range(3):
        stream = WordStream(state, 8, 100)
        assert [stream.word() for _ in range(21)] == philox.words(np, state, 21).tolist()
        state = philox.skip(np, state, 100)
