"""The interpreter's functions: what they return, keep, drop and tell of failures."""

from __future__ import annotations

import gc
import linecache
import re
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import interpret
from millrace.runtime.listing import locate
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.store import Store


def _run(fetches: list[Any], feeds: dict[Any, Any], store: Store | None = None) -> tuple[Any, ...]:
    plan = simplify(make_plan(fetches, list(feeds)))
    store = store or Store()
    function = interpret.compile_plan(plan)
    return function(*feeds.values(), *interpret.cells_for(plan, store))


def test_fetches_come_as_they_were_asked_for() -> None:
    x = tf.placeholder(tf.float32, [2])
    y = x * 2.0
    given = np.array([1, 2], np.float32)
    first, nothing, again, fed, constant = _run([y, y.op, y, x, tf.constant([3.0])], {x: given})
    assert first.tolist() == again.tolist() == [2, 4] and nothing is None
    assert fed.tolist() == [1, 2] and constant.tolist() == [3]
    first[0] = fed[0] = constant[0] = 9
    assert again.tolist() == [2, 4] and given.tolist() == [1, 2]
    assert _run([tf.constant([3.0])], {})[0].tolist() == [3]


def test_scalars_are_numpy_scalars() -> None:
    x = tf.placeholder(tf.float32, [])
    for value in _run([x, x + 1.0, tf.constant(2), tf.reduce_sum(tf.stack([x, x]))], {x: np.float32(3)}):
        assert isinstance(value, np.generic)


def test_one_number_twice_does_not_share_memory_with_a_variable() -> None:
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable(tf.zeros([2]))
    store = Store()
    given = np.array([1, 2], np.float32)
    (written,) = _run([v.assign(x)], {x: given}, store)
    given[:] = written[:] = 7
    assert store.cell(v.op.name).value.tolist() == [1, 2]
    (read,) = _run([v.op.outputs[0]], {}, store)
    read[:] = 8
    assert store.cell(v.op.name).value.tolist() == [1, 2]


def test_rows_are_changed_in_place_only_where_nobody_else_looks() -> None:
    table = tf.Variable(tf.zeros([3, 2]))
    update = tf.scatter_add(table, [1], [[1.0, 1.0]])
    store = Store()
    _run([table.initializer], {}, store)
    kept = store.cell(table.op.name).value
    _run([update.op], {}, store)
    assert store.cell(table.op.name).value is kept and kept[1].tolist() == [1, 1]
    old, new = _run([tf.identity(table), update], {}, store)
    assert old[1].tolist() == [1, 1] and new[1].tolist() == [2, 2]


def test_a_failed_run_stores_nothing() -> None:
    v, table = tf.Variable(1.0), tf.Variable(tf.zeros([3]))
    write, rows = v.assign(5.0), tf.scatter_add(table, [0], [1.0])
    with tf.control_dependencies([write, rows]):
        fails = tf.py_func(lambda: 1 / 0, [], tf.float64)
    store = Store()
    _run([v.initializer, table.initializer], {}, store)
    with pytest.raises(Exception, match="division"):
        _run([fails, write.op, rows.op], {}, store)
    assert store.cell(v.op.name).value == 1 and store.cell(table.op.name).value.tolist() == [0, 0, 0]


def test_an_empty_cell_is_an_error_that_names_its_variable() -> None:
    v = tf.Variable(1.0, name="weights")
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized.*weights"):
        _run([v + 1.0], {})


def test_a_failing_step_is_found_with_its_values() -> None:
    x = tf.placeholder(tf.float32, [None])
    y = tf.reshape(tf.exp(x), [2, 2], name="shaped")
    with pytest.raises(Exception) as caught:
        _run([tf.sin(y)], {x: np.zeros(3, np.float32)})
    found = locate(caught.value)
    assert found is not None
    step, values = found
    assert step.op is y.op and values[0].tolist() == [1, 1, 1] and values[1].tolist() == [2, 2]
    assert locate(ValueError()) is None


@pytest.mark.parametrize("count", [400, 1300])
def test_long_plans_are_cut_into_functions(count: int) -> None:
    x = tf.placeholder(tf.float32, [2])
    variables = [tf.Variable(tf.zeros([2]), name=f"v{k}") for k in range(3)]
    y = x
    for _ in range(count):
        y = tf.sin(y) + x
    writes = [v.assign(y + float(k)) for k, v in enumerate(variables)]
    store = Store()
    _run([v.initializer for v in variables], {}, store)
    want = given = np.array([0.5, -1], np.float32)
    for _ in range(count):
        want = np.sin(want) + given
    found = _run([y, *(w.op for w in writes)], {x: given}, store)
    assert np.array_equal(found[0], want)
    for k, v in enumerate(variables):
        assert np.array_equal(store.cell(v.op.name).value, want + np.float32(k))
    size = tf.placeholder(tf.int32, [1])
    fails = tf.reshape(y, size, name="bad")
    with pytest.raises(Exception) as caught:
        _run([fails], {x: given, size: np.array([3], np.int32)})
    found_step = locate(caught.value)
    assert found_step is not None and found_step[0].op is fails.op


def test_many_variables_are_read_and_written_in_more_than_one_function() -> None:
    count = 2 * interpret._CHUNK + 3
    handles = [tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name=f"v{k}") for k in range(count)]
    writes = [
        tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(k, tf.int32))
        for k, handle in enumerate(handles)
    ]
    reads = [tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.int32) for handle in handles]
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="VarHandleOp"):
            sess.run(reads)
        sess.run(writes)
        assert sess.run(reads) == list(range(count))


def test_large_values_are_forgotten_after_their_last_use() -> None:
    alive: list[int] = []

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.remove(0)

    def make(_: Any) -> Any:
        alive.append(0)
        return np.zeros(1 << 15, np.float32).view(Counted)

    x = tf.placeholder(tf.float32, [])
    y = tf.py_func(make, [x], tf.float32)
    for _ in range(3):
        y = tf.py_func(lambda a: np.array(a) + 1, [y], tf.float32)
    seen = tf.py_func(lambda _: np.int64(len(alive)), [y], tf.int64)
    assert _run([seen, y], {x: np.float32(0)})[0] == 0


def test_a_state_is_made_once() -> None:
    queue = tf.FIFOQueue(3, tf.float32, shared_name="q")
    store = Store()
    _run([queue.enqueue(1.0)], {}, store)
    kept = store.cell("q").value
    _run([queue.enqueue(2.0)], {}, store)
    assert store.cell("q").value is kept
    assert [_run([queue.dequeue()], {}, store)[0] for _ in range(2)] == [1, 2]


def test_random_draws_go_on_where_they_were() -> None:
    draw = tf.random_uniform([2], seed=3)
    store = Store()
    first, second = _run([draw], {}, store)[0], _run([draw], {}, store)[0]
    other = Store()
    assert not np.array_equal(first, second)
    assert np.array_equal(_run([draw], {}, other)[0], first)
    assert np.array_equal(_run([draw], {}, other)[0], second)


def _source(fetches: list[Any], feeds: list[Any], dims: Any = None, **options: Any) -> str:
    """What the interpreter writes for a run, with its values numbered in the order of the text."""
    function = interpret.compile_plan(simplify(make_plan(fetches, feeds), dims), **options)
    text = "".join(linecache.getlines(function.__code__.co_filename))
    names: dict[str, str] = {}
    return re.sub(
        r"\b([a-z]+?)(\d+)\b",
        lambda m: names.setdefault(m[0], f"{m[1]}{sum(k[0] == m[1][0] for k in names)}"),
        text,
    )


def test_a_line_a_step() -> None:
    x, y = tf.placeholder(tf.float32, [2], name="x"), tf.placeholder(tf.float32, [], name="y")
    text = _source([tf.exp(x) + [1.0, 2.0], y * 3.0, (x + x).op], [x, y])
    assert text.splitlines() == [
        "def run(f0, f1):", "    v0 = f0", "    v1 = f1", "    v2 = k0(v0)", "    v3 = v2 + c0",
        "    v4 = v1 * n0", "    pass", "    return (v3, scalar(v4), None, )",
    ]  # fmt: skip
    v = tf.Variable(tf.zeros([2]))
    assert _source([v.assign_add(x)], [x]).splitlines() == [
        "def run(f0, s0):", "    v0 = f0", "    v1 = s0.value",
        "    if v1.__class__ not in HOST: v1 = host(v1)",
        "    if v1 is None: raise uninitialized(op0)", "    v2 = k0(xp, v1, v0)", "    s0.value = v2",
        "    return (private(v2), )",
    ]  # fmt: skip


def test_what_kernels_return_is_taken_apart_as_declared() -> None:
    x = tf.placeholder(tf.float32, [4])
    parts, top = tf.split(x, 2), tf.nn.top_k(x, 2)
    text = _source([*parts, *top, *tf.unstack(x)], [x])
    assert re.search(r"\[v\d+, v\d+\] = k\d+\(xp, c\d+, v\d+, num_split=2\)", text)
    assert re.search(r"v\d+, v\d+ = k\d+\(xp, v\d+, [cn]\d+, index_type=a\d+\)", text)
    assert re.search(
        r"\[v\d+, v\d+, v\d+, v\d+\] = k\d+\(xp, v\d+, (num=4, axis=0|axis=0, num=4|axis=0)\)", text
    )
    found = _run([*parts, *top, *tf.unstack(x)], {x: np.array([4, 1, 3, 2], np.float32)})
    assert [np.array(v).tolist() for v in found] == [[4, 1], [3, 2], [4, 3], [0, 2], 4, 1, 3, 2]


def test_only_what_may_be_shared_is_copied() -> None:
    x = tf.placeholder(tf.float32, [2])
    v, w = tf.Variable(tf.zeros([2])), tf.Variable(tf.zeros([2]))
    made, given = v.assign(tf.exp(x)), w.assign(x)
    assert "owned(" not in _source([made.op], [x]) and "owned(" in _source([given.op], [x])
    twice = tf.exp(x)
    assert "owned(" in _source([v.assign(twice).op, w.assign(twice).op], [x])
    assert "owned(" in _source([v.assign(twice).op, twice], [x])
    assert "owned(" in _source([v.assign([1.0, 2.0]).op], [])
    assert "private(" not in _source([tf.exp(x), tf.sin(x)], [x])
    for shared in ([x], [made], [tf.constant([1.0])], [v.op.outputs[0]], [tf.reshape(tf.exp(x), [1, 2])]):
        assert "private(" in _source(shared, [x] if shared != [tf.constant([1.0])] else [])


def test_the_text_goes_with_its_function() -> None:
    x = tf.placeholder(tf.float32, [2])
    function = interpret.compile_plan(simplify(make_plan([tf.exp(x)], [x])))
    unit = function.__code__.co_filename
    assert unit.startswith("<millrace plan ") and linecache.getline(unit, 1) == "def run(f0):\n"
    del function
    gc.collect()
    assert unit not in linecache.cache


def test_values_that_a_body_does_not_use_pass_through() -> None:
    """The cells of all bodies of an operation go through each of them."""
    flag = tf.placeholder(tf.bool, [])
    v, w = (tf.Variable(start, use_resource=True) for start in (1.0, 2.0))
    chosen = tf.cond(flag, lambda: v.assign_add(10.0).op, lambda: w.assign_add(20.0).op)
    store = Store()
    _run([v.initializer, w.initializer], {}, store)
    for value, want in ((True, (11, 2)), (False, (11, 22))):
        _run([chosen.op if hasattr(chosen, "op") else chosen], {flag: np.bool_(value)}, store)
        assert tuple(store.cell(u.handle.op.name).value for u in (v, w)) == want


def test_values_of_a_failing_step_come_from_registers_and_constants() -> None:
    x, n = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int32, [])
    y = tf.split(x, 2, name="halves")[0]
    for fetch, feeds, want in (
        (y, {x: np.zeros(3, np.float32)}, [0, [0, 0, 0]]),
        (tf.constant(6) // n, {n: np.int32(0)}, [6, 0]),
    ):
        with pytest.raises(Exception) as caught:
            _run([fetch], feeds)
        found = locate(caught.value)
        assert found is not None and found[0].op is fetch.op
        assert [np.array(v).tolist() for v in found[1]] == want


def test_attributes_that_are_arrays_are_bound_by_name():
    """`bad_color` of an image summary is one."""
    images = tf.placeholder(tf.float32, [1, 2, 2, 3])
    text = tf.summary.image("shown", images)
    for _ in range(2):
        with tf.Session() as sess:
            summary = tf.Summary.FromString(sess.run(text, {images: np.zeros((1, 2, 2, 3))}))
    assert summary.value[0].image.width == 2


def test_large_values_are_dropped_where_they_were_used_last() -> None:
    large, small = tf.placeholder(tf.float32, [1 << 15]), tf.placeholder(tf.float32, [1 << 14])
    for x, dropped in ((large, ["v0", "v1"]), (small, [])):
        y = tf.exp(x)
        text = _source([tf.reduce_sum(tf.sin(y)), tf.reduce_max(y)], [x])
        found = re.findall(r"; ([v\d = ]+) = None", text)
        assert sorted(name for names in found for name in names.split(" = "))[: len(dropped)] == dropped
        assert bool(found) is bool(dropped)
    kept = _source([tf.exp(large), large], [large])
    assert "= None" not in kept  # what is fetched is needed to the end


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: tf.transpose(x, [1, 0]),
        lambda x: tf.slice(x, [0], [1]),
        lambda x: x[0, 0, 0, 0],
        lambda x: tf.expand_dims(x, 9),
        lambda x: tf.fill(tf.shape(x) - 9, 1.0),
    ],
)
def test_what_does_not_fit_is_told_where_it_was_written(wrong: Any) -> None:
    """Also where a shortcut for the fed shapes was looked for before anything ran."""
    x = tf.placeholder(tf.float32)
    y = wrong(x)
    with (
        tf.Session() as sess,
        pytest.raises(tf.errors.InvalidArgumentError, match="test_interpret.py") as caught,
    ):
        sess.run(y, {x: np.ones((2, 3, 4))})
    assert caught.value.op.graph is x.graph
