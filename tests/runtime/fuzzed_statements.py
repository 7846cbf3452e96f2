"""Statements of random programs beyond floats of one shape: dtypes, lengths, arrays, texts, random numbers.

`fuzzed_programs` draws them among its own. Each takes what the program has and adds what the next statements
may take.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import millrace as tf

_INTEGERS = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.uint32, tf.int64, tf.uint64)
_FLOATS = (tf.float16, tf.float64)


def _or(made: Callable[[], Any], other: Any) -> Any:
    """What is made, or something else where the dtype is not one of the operation's."""
    try:
        return made()
    except TypeError:
        return other


class Statements:
    """Statements that a program's random walk may take."""

    random: random.Random
    exact: list[Any]
    smooth: list[Any]
    integers: list[Any]
    effects: list[Any]
    counter: Any
    smooth_variable: Any
    any_exact: Callable[..., Any]
    any_smooth: Callable[..., Any]
    any_integer: Callable[..., Any]
    any_truth: Callable[..., Any]

    def others(self) -> list[Callable[[int], None]]:
        """The statements of this file."""
        return [
            self.narrow, self.narrow, self.floats, self.truths, self.complexes, self.array, self.lengths,
            self.grown, self.texts, self.drawn, self.rows, self.called, self.chosen, self.counted,
        ]  # fmt: skip

    def narrow(self, depth: int) -> None:
        """Integers of any width, out of range too: they wrap alike."""
        r = self.random
        dtype = r.choice(_INTEGERS)
        a, b = (
            tf.cast(tf.cast(self.any_exact(1) * r.choice((1.0, 4.0, 77.0)), tf.int64), dtype) for _ in "ab"
        )
        one = tf.ones_like(b)
        signed = not dtype.is_unsigned
        made = _or(r.choice((
            lambda: a + b, lambda: a - b, lambda: a * b, lambda: tf.maximum(a, b), lambda: tf.minimum(a, b),
            lambda: tf.bitwise.bitwise_and(a, b), lambda: tf.bitwise.bitwise_xor(a, b),
            lambda: tf.bitwise.invert(a),
            lambda: tf.bitwise.left_shift(a, tf.bitwise.bitwise_and(b, one * 3)),
            lambda: tf.bitwise.right_shift(a, tf.bitwise.bitwise_and(b, one * 3)),
            lambda: tf.cast(tf.less(a, b), dtype), lambda: tf.where(tf.equal(a, b), one, a),
            lambda: tf.math.floordiv(a, tf.maximum(b, one)), lambda: tf.math.floormod(a, tf.maximum(b, one)),
            lambda: tf.reverse(a, [0]), lambda: tf.reshape(tf.tile(a, [2])[1:4], [3]),
            lambda: tf.abs(a) if signed else a, lambda: tf.sign(a) if signed else a,
            lambda: tf.cast(tf.fill([3], tf.reduce_sum(tf.cast(a, tf.int64))), dtype),
        )), a)  # fmt: skip
        back = tf.floormod(tf.cast(made, tf.int64), 97)
        self.exact.append(tf.cast(back, tf.float32) * 0.25)
        self.integers.append(tf.cast(tf.reduce_max(back), tf.int32))

    def floats(self, depth: int) -> None:
        """Floats of another width, from numbers that it holds exactly."""
        r = self.random
        dtype = r.choice(_FLOATS)
        a, b = tf.cast(self.any_exact(1), dtype), tf.cast(self.any_exact(1), dtype)
        made = r.choice((
            lambda: a + b, lambda: a - b, lambda: tf.maximum(a, b), lambda: tf.where(a < b, a, -b),
            lambda: tf.floor(a), lambda: tf.nn.relu(a), lambda: tf.sort(a),
            lambda: tf.cumsum(a, reverse=True),
            lambda: tf.fill([3], tf.reduce_max(b)), lambda: tf.concat([a[:1], b[1:]], 0), lambda: tf.round(a),
        ))()  # fmt: skip
        self.exact.append(tf.clip_by_value(tf.cast(made, tf.float32), -64.0, 64.0))

    def truths(self, depth: int) -> None:
        """Booleans."""
        r = self.random
        a, b = self.any_exact(1) > 0.0, self.any_exact(1) > 0.5
        made = r.choice((
            lambda: tf.logical_and(a, b), lambda: tf.logical_or(a, tf.logical_not(b)),
            lambda: tf.logical_xor(a, b),
            lambda: tf.equal(a, b), lambda: tf.reverse(a, [0]), lambda: tf.fill([3], tf.reduce_all(a)),
            lambda: tf.not_equal(tf.cast(a, tf.int32), tf.cast(b, tf.int32)),
        ))()  # fmt: skip
        self.exact.append(tf.cast(made, tf.float32))
        self.integers.append(tf.reduce_sum(tf.cast(made, tf.int32)))

    def complexes(self, depth: int) -> None:
        """Complex numbers."""
        a, b = tf.complex(self.any_smooth(1), self.any_smooth(1)), tf.complex(self.any_smooth(0), 0.5)
        made = self.random.choice(
            (lambda: a * b, lambda: tf.conj(a) + b, lambda: a / (b + (3.0 + 0j)), lambda: tf.exp(a * 0.1))
        )()
        self.smooth.append(tf.tanh(tf.real(made) - tf.imag(made)))

    def array(self, depth: int) -> None:
        """A tensor array that a loop fills, read in one way or another."""
        r = self.random
        size = r.randint(1, 4)
        grows, other = r.random() < 0.3, self.any_smooth(1)
        made = tf.TensorArray(tf.float32, 0 if grows else size, dynamic_size=grows, clear_after_read=False)
        made = made.unstack(tf.stack([other] * size)) if r.random() < 0.3 else made
        second = r.random() < 0.4

        def turn(i: Any, a: Any, array: Any) -> Any:
            value = tf.tanh(a + self.any_smooth(1)) if second else a * 0.5 + other
            return i + 1, value, array.write(i, value)

        fresh = tf.TensorArray(tf.float32, 0 if grows else size, dynamic_size=grows, clear_after_read=False)
        _, last, filled = tf.while_loop(lambda i, *_: i < size, turn, [0, self.any_smooth(1), fresh])
        self.smooth.append(last)
        self.smooth.append(r.choice((
            lambda: tf.reduce_sum(filled.stack(), 0), lambda: filled.read(size - 1),
            lambda: filled.concat()[:3] + filled.read(0), lambda: filled.gather([0, size - 1])[1],
            lambda: tf.reshape(filled.stack(), [-1])[-3:],
            lambda: filled.read(0) * tf.cast(filled.size(), tf.float32),
        ))())  # fmt: skip

    def lengths(self, depth: int) -> None:
        """What has a length that is known only when it runs, nothing at all included."""
        r = self.random
        n = tf.floormod(self.any_integer(), 4)
        part = (
            self.any_exact(1)[:n]
            if r.random() < 0.5
            else tf.boolean_mask(self.any_exact(1), self.any_exact(1) > 0.5)
        )
        made = r.choice((
            lambda: tf.fill([3], tf.reduce_sum(part)), lambda: tf.concat([part, tf.zeros([3])], 0)[:3],
            lambda: tf.pad(part, [[0, 3 - tf.size(part)]]),
            lambda: tf.fill([3], tf.reduce_max(tf.concat([part, [-9.0]], 0))),
            lambda: tf.concat([tf.sort(part), tf.ones([3])], 0)[:3],
            lambda: tf.fill([3], tf.cast(tf.size(part), tf.float32)),
            lambda: tf.fill([3], tf.reduce_sum(tf.reshape(tf.matmul(part[:, None], part[None]), [-1])[:2])),
            lambda: tf.concat([tf.cumsum(part), tf.unique(tf.zeros([3]))[0], [1.0, 2.0, 3.0]], 0)[:3],
        ))()  # fmt: skip
        self.exact.append(tf.clip_by_value(tf.reshape(made, [3]), -64.0, 64.0))
        self.integers.append(tf.size(part))

    def grown(self, depth: int) -> None:
        """A loop variable that grows."""
        r = self.random
        most = r.choice((tf.constant(r.randint(0, 3)), tf.floormod(self.any_integer(0), 4)))
        piece = self.any_smooth(1)
        start = self.any_smooth(0)[: r.randint(0, 3)]
        _, long = tf.while_loop(
            lambda i, a: i < most,
            lambda i, a: (i + 1, tf.concat([a * 0.5, piece], 0)),
            [0, start],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
        )
        self.smooth.append(tf.concat([long, piece], 0)[:3])
        self.integers.append(tf.size(long))

    def texts(self, depth: int) -> None:
        """Texts of integers, and integers of texts."""
        r = self.random
        words = tf.as_string(tf.cast(self.any_exact(1), tf.int32))
        made = r.choice((
            lambda: tf.string_to_number(words, tf.int32), lambda: tf.strings.length(words),
            lambda: tf.strings.length(tf.string_join([words, words], "-")),
            lambda: tf.cast(tf.equal(words, words[0]), tf.int32),
            lambda: tf.strings.length(tf.strings.regex_replace(words, "-", "")),
            lambda: tf.cast(tf.string_to_hash_bucket_fast(words, 7), tf.int32),
            lambda: tf.fill([3], tf.strings.length(tf.reduce_join(words))),
        ))()  # fmt: skip
        self.exact.append(tf.clip_by_value(tf.cast(made, tf.float32), -64.0, 64.0))

    def drawn(self, depth: int) -> None:
        """Random numbers, the same in each tier to the bit."""
        seed = self.random.randint(1, 99)
        self.exact.append(tf.cast(tf.random.uniform([3], 0, 9, tf.int32, seed=seed), tf.float32))
        self.smooth.append(tf.random.uniform([3], seed=seed) + tf.stop_gradient(self.any_smooth(0)) * 0.1)

    def rows(self, depth: int) -> None:
        """Rows of a table that a loop gathers; its gradient adds up slices."""
        r = self.random
        table = tf.stack([self.any_smooth(1), self.any_smooth(0), self.any_smooth(0)])
        places = tf.floormod(tf.cast(self.any_exact(1), tf.int32), 3)
        made = r.choice((
            lambda: tf.reduce_sum(tf.gather(table, places), 0), lambda: tf.gather_nd(table, places[:1]),
            lambda: tf.segment_sum(table, tf.constant([0, 0, 1]))[0],
            lambda: tf.unsorted_segment_sum(table, places, 3)[1],
            lambda: tf.reshape(tf.scatter_nd(places[:, None], table, [3, 3])[0], [3]),
            lambda: tf.transpose(table)[places[0]], lambda: tf.reduce_mean(tf.one_hot(places, 3) * table, 0),
            lambda: tf.reduce_sum(tf.dynamic_partition(table, tf.floormod(places, 2), 2)[0], 0),
        ))()  # fmt: skip
        self.smooth.append(tf.reshape(made, [3]) * 0.5)

    def called(self, depth: int) -> None:
        """A Python function in the middle."""
        made = tf.py_func(
            lambda a: np.float32(a * 2.0 - 1.0), [self.any_exact(1)], tf.float32, stateful=False
        )
        made.set_shape([3])
        self.exact.append(tf.clip_by_value(made, -64.0, 64.0))

    def chosen(self, depth: int) -> None:
        """One of three, of several results."""
        which = tf.floormod(self.any_integer(), 4)
        a, b, c = self.any_exact(1), self.any_smooth(1), self.any_integer()
        exact, smooth, integer = tf.switch_case(which, {
            0: lambda: (a, b, c), 1: lambda: (a + 1.0, tf.sin(b) * self.any_smooth(0), c + 1),
            2: lambda: (self.any_exact(1), b, tf.zeros_like(c)),
        }, default=lambda: (tf.reverse(a, [0]), tf.stop_gradient(b), c - 1))  # fmt: skip
        self.exact.append(tf.clip_by_value(exact, -64.0, 64.0))
        self.smooth.append(smooth)
        self.integers.append(integer)

    def counted(self, depth: int) -> None:
        """A step of an optimizer, as an effect."""
        r = self.random
        optimizer = r.choice((
            lambda: tf.train.GradientDescentOptimizer(0.1), lambda: tf.train.AdamOptimizer(0.1),
            lambda: tf.train.MomentumOptimizer(0.1, 0.5), lambda: tf.train.RMSPropOptimizer(0.1),
        ))()  # fmt: skip
        if tf.get_default_graph() is not self.counter.graph or depth < 2 or getattr(self, "special", False):
            return
        loss = tf.reduce_sum(tf.tanh(self.any_smooth()) * self.smooth_variable)
        self.effects.append(optimizer.minimize(loss, var_list=[self.smooth_variable]))
