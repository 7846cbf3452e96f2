"""Random programs of loops, branches, variables, writes and edges, run in each tier.

    python tests/runtime/fuzzed_programs.py --first 0 --count 10000

prints each program whose tiers disagree. A program follows from its number alone. What decides (conditions,
roundings, orders) is computed from numbers that are exact in every tier; what only flows may round.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import millrace as tf

try:
    from runtime.fuzzed_statements import Statements
except ImportError:  # run by hand
    from fuzzed_statements import Statements

TIERS = ("interpret", "compile", "auto")
RUNS = 4
PROMOTED_AT = 2  # the run at which a program of the automatic tier is compiled here
_SPECIAL = (np.nan, np.inf, -np.inf, 1e20, -3e9, 300.0)


class _Program(Statements):
    """The graph of one number, drawn by a random walk."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)
        r = self.random
        fed = tf.placeholder(tf.float32, r.choice(([3], [3], [None], None)), name="x")
        self.x = fed if fed.shape.is_fully_defined() else tf.reshape(fed, [3])
        self.fed = fed
        self.n = tf.placeholder(tf.int32, [], name="n")
        self.flag = tf.placeholder(tf.bool, [], name="flag")
        make = tf.Variable if r.random() < 0.5 else _resource
        self.exact_variable = make([0.5, -1.0, 2.0], name="exact")
        self.smooth_variable = make([0.3, 0.7, -0.2], name="smooth")
        self.counter = make(0, name="counter")
        self.matrix = tf.constant([[0.2, -0.4, 0.1], [0.5, 0.3, -0.6], [-0.1, 0.8, 0.4]])
        self.special = r.random() < 0.15
        self.exact: list[Any] = [self.x, self.exact_variable, tf.constant([1.0, -0.25, 0.75])]
        self.smooth: list[Any] = [self.smooth_variable, tf.constant([0.1, 0.2, 0.3])]
        self.integers: list[Any] = [self.n, self.counter, tf.constant(3)]
        if not self.special:
            self.smooth.append(self.x)
        self.fetches: list[Any] = []
        self.effects: list[Any] = []
        for _ in range(r.randint(1, 4)):
            self.statement(2)
        self.fetches += [self.any_smooth(), self.any_exact(), self.any_integer()]
        if not self.special and r.random() < 0.6:  # what NaN times 0 is, XLA may decide otherwise
            self.gradient()
        self.fetches = [f for f in self.fetches if f is not None]
        self.effects = [tf.group(*self.effects)] if self.effects else []
        self.inner = r.choice(self.exact) if r.random() < 0.3 else None  # fed in every second run

    # --- expressions ----------------------------------------------------------------------------------------

    def any_exact(self, depth: int = 2) -> Any:
        """Multiples of 1/4 below 65, whatever the tier."""
        r = self.random
        if depth == 0 or r.random() < 0.3:
            return tf.identity(r.choice(self.exact[-6:]))
        a, b = self.any_exact(depth - 1), self.any_exact(depth - 1)
        made = r.choice((
            lambda: a + b, lambda: a - b, lambda: tf.maximum(a, b), lambda: tf.abs(a), lambda: -a,
            lambda: tf.floor(a), lambda: tf.floor(a * 2.0) * 0.25, lambda: tf.where(a > b, a, b + 1.0),
            lambda: tf.sort(a), lambda: tf.cast(tf.cast(a, tf.int32), tf.float32), lambda: tf.sign(a),
            lambda: tf.gather(a, tf.cast(tf.argmax(b), tf.int32)) + b, lambda: tf.cumsum(a),
            lambda: tf.cast(tf.cast(a * 100.0, tf.int8), tf.float32), lambda: tf.reverse(a, [0]),
            lambda: tf.fill([3], tf.reduce_max(a)), lambda: tf.cast(a > b, tf.float32),
        ))()  # fmt: skip
        return tf.clip_by_value(made, -64.0, 64.0)

    def any_smooth(self, depth: int = 2) -> Any:
        """Numbers that may round."""
        r = self.random
        if depth == 0 or r.random() < 0.3:
            return tf.identity(r.choice(self.smooth[-6:]))
        a, b = self.any_smooth(depth - 1), self.any_smooth(depth - 1)
        return r.choice((
            lambda: tf.tanh(a + b), lambda: a * 0.5 - b, lambda: tf.sigmoid(a) * b, lambda: tf.sin(a),
            lambda: tf.sqrt(tf.abs(a) + 0.1), lambda: a / (1.0 + b * b), lambda: tf.log1p(tf.abs(a)),
            lambda: tf.nn.softmax(a), lambda: tf.reshape(tf.matmul(a[None], self.matrix), [3]),
            lambda: tf.where(self.any_exact(1) > 0.0, a, b), lambda: tf.nn.relu(a) - 0.1 * b,
            lambda: tf.exp(-tf.abs(a)), lambda: tf.stop_gradient(a) + b,
            lambda: tf.fill([3], tf.reduce_sum(a)), lambda: tf.concat([a[1:], b[:1]], 0),
        ))()  # fmt: skip

    def any_integer(self, depth: int = 1) -> Any:
        """Integers."""
        r = self.random
        if depth == 0 or r.random() < 0.4:
            return tf.identity(r.choice(self.integers[-5:]))
        a, b = self.any_integer(depth - 1), self.any_integer(depth - 1)
        return r.choice((
            lambda: a + b, lambda: a - b, lambda: tf.floormod(a, 5), lambda: tf.maximum(a, b),
            lambda: tf.cast(tf.reduce_sum(self.any_exact(1)), tf.int32), lambda: a // 2,
            lambda: tf.size(tf.where(self.any_exact(1) > 0.0)[:, 0]),
        ))()  # fmt: skip

    def any_truth(self) -> Any:
        """A condition: known while tracing, fed, or of the data."""
        r = self.random
        return r.choice((
            lambda: self.flag, lambda: tf.reduce_sum(self.any_exact(1)) > 1.0,
            lambda: self.any_integer(0) > 2, lambda: tf.logical_not(self.flag),
            lambda: tf.constant(r.random() < 0.5),
            lambda: tf.reduce_any(self.any_exact(1) < 0.0),
        ))()  # fmt: skip

    # --- statements -----------------------------------------------------------------------------------------

    def statement(self, depth: int) -> None:
        """Adds something that the next statements may take."""
        kinds = [self.compute, self.compute, self.write, self.write]
        if depth:
            kinds += [self.branch, self.loop, self.loop, self.mapped]
        kinds += self.random.sample(self.others(), 3)
        self.random.choice(kinds)(depth)

    def compute(self, depth: int) -> None:
        """New values."""
        self.exact.append(self.any_exact())
        self.smooth.append(self.any_smooth())

    def write(self, depth: int) -> None:
        """A variable's new value, with an edge to what comes next or not."""
        r = self.random
        op = r.choice((
            lambda: tf.assign(self.exact_variable, self.any_exact(1)),
            lambda: tf.assign(self.smooth_variable, self.any_smooth(1)),
            lambda: tf.assign_add(self.counter, 1),
            lambda: tf.assign_add(self.smooth_variable, self.any_smooth(1) * 0.1),
            lambda: tf.scatter_update(self.exact_variable, [r.randint(0, 2)], [0.25 * r.randint(-8, 8)]),
        ))()  # fmt: skip
        if r.random() < 0.6:
            with tf.control_dependencies([op]):
                self.exact.append(tf.identity(self.exact_variable))
                self.integers.append(self.counter + 0)
                self.smooth.append(self.smooth_variable * 1.0)
        else:
            self.effects.append(op)

    def _inside(self, depth: int, statements: int) -> tuple[Any, Any, Any]:
        """Draws a body; what it makes stays in it."""
        before = list(self.exact), list(self.smooth), list(self.integers), self.effects
        self.effects = []
        for _ in range(statements):
            self.statement(depth - 1)
        with tf.control_dependencies(self.effects):
            results = self.any_exact(1), self.any_smooth(1), self.any_integer()
        self.exact, self.smooth, self.integers, self.effects = before
        return results

    def _keep(self, results: Sequence[Any]) -> None:
        exact, smooth, integer = results
        self.exact.append(tf.clip_by_value(exact, -64.0, 64.0))
        self.smooth.append(smooth)
        self.integers.append(integer)

    def branch(self, depth: int) -> None:
        """One of two bodies."""
        n = self.random.randint(1, 2)
        self._keep(tf.cond(self.any_truth(), lambda: self._inside(depth, n), lambda: self._inside(depth, 1)))

    def loop(self, depth: int) -> None:
        """A loop that counts, perhaps ended earlier by a flag or a number that is known only at first."""
        r = self.random
        most = r.choice((tf.constant(r.randint(0, 5)), tf.floormod(self.any_integer(0), 6)))
        kind, threshold = r.randint(0, 4), 0.25 * r.randint(-4, 12)
        start = r.choice((tf.constant(9.0), tf.reduce_sum(self.any_exact(1))))
        swaps, statements = r.random() < 0.3, r.randint(0, 1)

        def going(i: Any, done: Any, level: Any, exact: Any, smooth: Any, integer: Any) -> Any:
            counts = i < most
            more = [counts, tf.logical_not(done), level > threshold, integer < 40, counts][kind]
            return tf.logical_and(counts, more)

        def turn(i: Any, done: Any, level: Any, exact: Any, smooth: Any, integer: Any) -> Any:
            before = list(self.exact), list(self.smooth), list(self.integers)
            self.exact.append(exact)
            self.smooth.append(smooth)
            self.integers += [i, integer]
            e, s, k = self._inside(depth, statements)
            self.exact, self.smooth, self.integers = before
            e = tf.clip_by_value(tf.reverse(exact, [0]) if swaps else e, -64.0, 64.0)
            s = 0.5 * smooth + 0.5 * tf.tanh(s)
            return i + 1, tf.reduce_sum(e) < threshold, tf.reduce_max(e), e, s, tf.floormod(k, 50)

        first = [0, r.choice((tf.constant(False), self.flag)), start, self.any_exact(1), self.any_smooth(1),
                 self.any_integer()]  # fmt: skip
        results = tf.while_loop(going, turn, first)
        self._keep(results[3:])
        self.integers.append(results[0])

    def mapped(self, depth: int) -> None:
        """map_fn, scan or a fold over rows."""
        r = self.random
        rows = tf.stack([self.any_smooth(1) for _ in range(r.randint(1, 3))])
        made = r.choice((
            lambda: tf.reduce_sum(tf.map_fn(lambda row: tf.tanh(row) * self.any_smooth(1), rows), 0),
            lambda: tf.scan(lambda a, row: 0.5 * a + tf.sin(row), rows)[-1],
            lambda: tf.foldl(lambda a, row: tf.tanh(a - row), rows),
        ))()  # fmt: skip
        self.smooth.append(made)

    def gradient(self) -> None:
        """Gradients of what has come out, by what went in."""
        loss = tf.reduce_sum(tf.tanh(self.smooth[-1]))
        slopes = tf.gradients(loss, [self.smooth_variable, self.x])
        if self.random.random() < 0.3:
            smooth = [tf.reduce_sum(tf.sin(g)) for g in map(tf.convert_to_tensor, filter(_there, slopes))]
            slopes += tf.gradients(smooth, [self.smooth_variable, self.x]) if smooth else []
        self.fetches += [tf.convert_to_tensor(g) for g in filter(_there, slopes)]

    def feeds(self, run: int) -> dict[Any, Any]:
        """What a run is fed."""
        r = random.Random(run)
        x = [0.25 * r.randint(-12, 12) for _ in range(3)]
        if self.special:
            x[run % 3] = _SPECIAL[run % len(_SPECIAL)]
        feeds = {self.fed: x, self.n: r.randint(0, 6), self.flag: r.random() < 0.5}
        if self.inner is not None and run % 2:
            feeds[self.inner] = [0.25 * r.randint(-12, 12) for _ in range(3)]
        return feeds


def _there(value: Any) -> bool:
    return value is not None


def _resource(value: Any, name: str) -> Any:
    return tf.get_variable(name, initializer=tf.constant(value), use_resource=True)


def _outcomes(program: _Program, graph: tf.Graph, tier: str) -> list[Any]:
    """What each run of a program gives in a tier: values, or the class of an error."""
    os.environ["MILLRACE_TIER"] = tier
    found: list[Any] = []
    with tf.Session(graph=graph) as sess:
        sess.run(program.start)
        variables = [program.exact_variable, program.smooth_variable, program.counter]
        for run in range(RUNS):
            feeds = program.feeds(run)
            try:
                found.append(sess.run([program.fetches, program.effects], feeds)[0])
            except tf.errors.OpError as error:
                found.append([type(error).__name__])
            found.append(sess.run(variables))
    return found


def _agree(one: Any, two: Any) -> bool:
    if isinstance(one, str) or isinstance(two, str):
        return one == two
    one, two = np.asarray(one), np.asarray(two)
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    if one.dtype.kind != "f":
        return bool((one == two).all())
    return np.allclose(one, two, rtol=1e-3, atol=1e-4, equal_nan=True)


def difference(number: int, tiers: Sequence[str] = TIERS[1:]) -> str | None:
    """How the tiers disagree about a program, or None."""
    with tf.Graph().as_default() as graph:
        program = _Program(number)
        program.start = tf.global_variables_initializer()
    wanted = _outcomes(program, graph, TIERS[0])
    for tier in tiers:
        got = _outcomes(program, graph, tier)
        for run, (a, b) in enumerate(zip(wanted, got, strict=True)):
            what = "variables" if run % 2 else "fetches"
            if len(a) != len(b):
                return f"program {number}, {tier}, run {run // 2}, {what}: {a} and {b}"
            for place, (one, two) in enumerate(zip(a, b, strict=True)):
                if not _agree(one, two):
                    return f"program {number}, {tier}, run {run // 2}, {what}[{place}]: {one} and {two}"
    return None


def early_promotion() -> Callable[..., float]:
    """A cost model that has the automatic tier compile after few runs."""
    return lambda plan, foreseen=None: PROMOTED_AT


def main() -> None:
    """Runs programs and prints those whose tiers disagree."""
    from millrace.runtime.plan import cost

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--thrifty", action="store_true", help="each in the interpreter and one more tier")
    chosen = parser.parse_args()
    cost.promotion = early_promotion()
    wrong = 0
    for number in range(chosen.first, chosen.first + chosen.count):
        try:
            found = difference(number, TIERS[1 + number % 2 :][:1] if chosen.thrifty else TIERS[1:])
        except Exception as error:
            found = f"program {number}: {type(error).__name__}: {error}"
        if found:
            wrong += 1
            print(found, flush=True)
    print(f"{chosen.count} programs, {wrong} differences")


if __name__ == "__main__":
    main()
