"""What a plan is estimated to cost, and when compiling it pays."""

from __future__ import annotations

import math
from typing import Any

import pytest

import millrace as tf
from millrace.runtime.plan import cost
from millrace.runtime.plan.cost import Cost
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.segments import Segment, split
from millrace.runtime.plan.simplify import simplify


def _cost(fetches: list[Any], feeds: list[Any], dims: Any = None) -> Cost:
    return cost.estimate(simplify(make_plan(fetches, feeds), dims))


def _placeholder(*dims: int | None) -> Any:
    return tf.placeholder(tf.float32, dims)


def test_bytes_are_those_of_inputs_and_outputs() -> None:
    x, y = _placeholder(3, 5), _placeholder(5)
    assert _cost([x + y], [x, y]) == Cost(1, 0, 4 * (15 + 5 + 15), True, 1)
    assert _cost([tf.cast(x, tf.float64)], [x]) == Cost(1, 0, 15 * 4 + 15 * 8, True, 1)
    assert _cost([x, tf.shape(x)], [x]) == Cost(0, 0, 0, True, 0)


def test_functions_count_by_how_costly_they_are() -> None:
    x = _placeholder(3, 5)
    for function, flops in ((tf.exp, 8), (tf.tanh, 12), (tf.pow, 25), (tf.negative, 0), (tf.sin, 14)):
        result = function(x, x) if function is tf.pow else function(x)
        assert _cost([result], [x]).flops == 15 * flops


@pytest.mark.parametrize(("a", "b"), [(False, False), (True, False), (False, True), (True, True)])
def test_products(a: bool, b: bool) -> None:
    x, y = _placeholder(*((7, 3) if a else (3, 7))), _placeholder(*((5, 7) if b else (7, 5)))
    assert _cost([tf.matmul(x, y, transpose_a=a, transpose_b=b)], [x, y]).flops == 2 * 3 * 7 * 5
    x, y = _placeholder(2, *((7, 3) if a else (3, 7))), _placeholder(2, *((5, 7) if b else (7, 5)))
    assert _cost([tf.matmul(x, y, adjoint_a=a, adjoint_b=b)], [x, y]).flops == 2 * 2 * 3 * 7 * 5


def test_convolutions() -> None:
    x, f = _placeholder(2, 16, 12, 3), _placeholder(3, 3, 3, 5)
    found = _cost([tf.nn.conv2d(x, f, [1, 1, 1, 1], "SAME")], [x, f])
    assert found.flops == 2 * (2 * 16 * 12) * (3 * 3 * 3 * 5)


def test_products_of_nothing() -> None:
    """Each result costs something, although there is nothing to add up."""
    x, y = _placeholder(3, 0), _placeholder(0, 5)
    assert _cost([tf.matmul(x, y)], [x, y]).flops == 2 * 3 * 5
    z = _placeholder(0, 3)
    assert _cost([tf.matmul(z, x)], [z, x]).flops == 0


def test_rows_are_not_the_whole_table() -> None:
    table, ids = _placeholder(1000, 4), tf.placeholder(tf.int32, [5])
    found = _cost([tf.gather(table, ids)], [table, ids])
    assert found.bytes == 5 * 4 + 5 * 4 * 4 + 4  # the numbers, the rows, and the axis


def test_what_is_not_known() -> None:
    x, y = _placeholder(None, 2), _placeholder(3, 2)
    found = _cost([tf.exp(x), tf.exp(y)], [x, y])
    assert found == Cost(2, 8 * 6, 2 * 4 * 6, False, 2)
    assert _cost([tf.exp(x), tf.exp(y)], [x, y], [(3, 2), (3, 2)]).known
    assert found.promotion() == math.inf


def test_bodies_count_as_often_as_they_run() -> None:
    flag, x = tf.placeholder(tf.bool, []), _placeholder(3)
    branches = _cost([tf.cond(flag, lambda: tf.exp(x), lambda: tf.tanh(x))], [flag, x])
    assert (branches.steps, branches.flops, branches.operations) == (3, 3 * (8 + 12), 2)
    assert branches.bytes == 2 * 2 * 12 and branches.known
    loop = _cost([tf.while_loop(lambda i, v: i < 9, lambda i, v: (i + 1, tf.exp(v)), [0, x])[1]], [x])
    assert (loop.steps, loop.flops, loop.operations) == (1 + 20 * 3, 20 * 3 * 8, 3)
    unknown = _placeholder(None)
    assert not _cost([tf.cond(flag, lambda: tf.exp(x), lambda: tf.tanh(unknown))], [flag, x, unknown]).known


def test_operations_of_bodies_are_compiled_too() -> None:
    flag, x = tf.placeholder(tf.bool, []), _placeholder(3)
    inner = tf.cond(flag, lambda: tf.cond(flag, lambda: tf.exp(x) * 2, lambda: x), lambda: tf.tanh(x))
    plan = simplify(make_plan([inner + 1], [flag, x]))
    assert cost.estimate(plan).operations == 4
    assert cost.compiling(plan.steps) == (4, pytest.approx(0.3 + 4 * 4e-3))


def test_operations_of_loops_take_longer_to_compile() -> None:
    flag, x = tf.placeholder(tf.bool, []), _placeholder(3)
    loop = tf.while_loop(lambda i, v: i < 9, lambda i, v: (i + 1, tf.exp(v)), [0, x])[1]
    inner = tf.cond(flag, lambda: tf.while_loop(lambda v: v < 9, lambda v: v * v, [x[0]]), lambda: x[1])
    plan = simplify(make_plan([tf.exp(loop) + inner], [flag, x]))
    found = cost.estimate(plan)
    assert (found.operations, found.looped) == (9, 5)
    assert cost.compiling(plan.steps) == (9, found.compile_time)
    assert found.compile_time == pytest.approx(0.3 + 4 * 4e-3 + 5 * 18e-3)


def test_seconds() -> None:
    one = Cost(steps=10, flops=4e9, bytes=1e9, known=True, operations=100, segments=2)
    assert one.interpreted == pytest.approx(10 * 1.2e-6 + 1 / 5 + 4 / 80)
    assert one.compiled == pytest.approx(2 * 60e-6 + 100 * 1e-6 + 0.25 / 8 + 4 / 180)
    assert one.compile_time == pytest.approx(0.3 + 0.4)


@pytest.mark.parametrize(
    ("found", "run"),
    [
        (Cost(steps=1e7, flops=0, bytes=0, known=True, operations=10), 0),  # takes longer than compiling
        (Cost(steps=1e7, flops=0, bytes=0, known=False, operations=10), math.inf),
        (Cost(steps=10, flops=0, bytes=0, known=True, operations=10), math.inf),
        (Cost(steps=50, flops=0, bytes=0, known=True, operations=10), math.inf),  # gains nothing at all
        (
            Cost(steps=1050, flops=0, bytes=0, known=True, operations=10),
            math.ceil(0.34 / (16 * (1050 * 1.2e-6 - 60e-6 - 10e-6))),
        ),
        (
            Cost(steps=100, flops=0, bytes=0, known=True, operations=0),
            math.ceil(0.3 / (16 * (100 * 1.2e-6 - 60e-6))),
        ),
    ],
)
def test_when_compiling_pays(found: Cost, run: float) -> None:
    assert found.promotion() == run


@pytest.mark.parametrize(("foreseen", "run"), [(400, 0), (280, 280), (3, 18), (None, 18)])
def test_runs_that_are_foreseen_are_compiled_from_the_first_on_or_not_at_all(
    foreseen: int | None, run: int
) -> None:
    assert Cost(1050, flops=0, bytes=0, known=True, operations=10).promotion(foreseen) == run
    assert Cost(10, flops=0, bytes=0, known=True, operations=10).promotion(foreseen) == math.inf


def test_a_program_guessed_to_be_little_faster_is_not_compiled():
    close = Cost(80, flops=0, bytes=0, known=True, operations=10)
    assert close.compiled < close.interpreted
    assert close.promotion() == close.promotion(10**9) == math.inf


def test_each_value_that_a_program_takes_or_gives_costs_time() -> None:
    few, many = (Cost(1, 0, 0, True, operations=1, values=n) for n in (0, 200))
    assert many.compiled - few.compiled == pytest.approx(200 * 1.5e-6)


def test_a_plan_counts_what_can_be_compiled_of_it() -> None:
    x = _placeholder(2000, 2000)
    called = tf.py_func(lambda v: v, [tf.exp(x)], tf.float32)
    called.set_shape([2000, 2000])
    plan = simplify(make_plan([tf.tanh(called)], [x]))
    parts = [part for part in split(plan) if isinstance(part, Segment)]
    some = cost.of_segments(plan, parts)
    assert (some.segments, some.operations, some.flops) == (2, 2, 4e6 * (8 + 12))
    assert cost.promotion(plan) == some.promotion() < math.inf
    assert cost.promotion(simplify(make_plan([x], [x]))) == math.inf


def test_the_rows_of_a_stack_are_those_of_all_iterations() -> None:
    x, w = _placeholder(8, 4), tf.Variable(tf.zeros([4, 4]))
    last = tf.while_loop(lambda i, h: i < 3, lambda i, h: (i + 1, tf.matmul(h, w)), [0, x])[1]
    (gradient,) = tf.gradients(last, w.value())
    product = 2 * 8 * 4 * 4
    assert _cost([last], [x]).flops == 20 * product
    found = _cost([gradient], [x])
    assert found.known and found.flops == 3 * 20 * product
    rows = next(op for op in x.graph.get_operations() if op.type == "StackConcat").outputs[0]
    alone, after = _cost([rows], [x]), _cost([tf.exp(rows), tf.identity(rows)], [x])
    assert after.known and after.flops - alone.flops == 20 * 8 * 4 * 8  # an exponential of each element


def test_variables_that_the_host_changes_are_copied_in_each_run() -> None:
    v, w = tf.Variable(tf.zeros([300, 4])), tf.Variable(tf.zeros([300, 4]))
    rows = tf.placeholder(tf.int32, [6])
    total = tf.reduce_sum(tf.gather(v, rows) + tf.gather(w, rows))
    on_host = tf.py_func(lambda x: x, [tf.ones([6, 4])], tf.float32)
    on_host.set_shape([6, 4])
    with tf.control_dependencies([total]):
        changes = [tf.scatter_add(v, tf.unique(rows)[0], on_host), tf.scatter_add(w, rows, tf.ones([6, 4]))]
    plan = simplify(make_plan([total, *changes], [rows]), [(6,)])
    segments = [part for part in split(plan) if isinstance(part, Segment)]
    assert cost.of_segments(plan, segments).copied == 300 * 4 * 4
    assert Cost(1, 0, 0, True, 1, copied=5e9).compiled == pytest.approx(1, rel=1e-3)
