"""Plans: what runs, in which order, and which version of a variable each read sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import millrace as tf
from millrace.building import raw
from millrace.runtime.plan.planner import NeedsTokens, any_step, body_cells, in_order, make_plan
from runtime.plan.model import Body, Node, build, meaning


@st.composite
def bodies(draw: st.DrawFn, around: int, kinds: tuple[str, ...], most: int, depth: int) -> Body:
    nodes = draw(node_lists(around, kinds, most, depth))
    results = st.integers(0, around + len(nodes) - 1)
    return Body(tuple(nodes), (draw(results), draw(results)))


@st.composite
def node_lists(draw: st.DrawFn, around: int, kinds: tuple[str, ...], most: int, depth: int) -> list[Node]:
    """Nodes behind `around` others; in branches and loops down to `depth`."""
    nodes: list[Node] = []
    for k in range(around, around + draw(st.integers(1, most))):
        earlier = st.integers(0, k - 1) if k else st.nothing()
        results = st.tuples(earlier, st.integers(0, 1))
        edges = draw(st.lists(earlier, max_size=2, unique=True).map(tuple) if k else st.just(()))
        operands = draw(st.lists(results, max_size=2, unique=True).map(tuple) if k else st.just(()))
        kind = draw(st.sampled_from((*kinds, "branch", "loop") if depth else kinds))
        inside: tuple[Body, ...] = ()
        if kind == "branch":
            inside = tuple(draw(bodies(k, kinds, 3, depth - 1)) for _ in range(2))
        if kind == "loop":
            inside = (draw(bodies(k, (*kinds, "carried"), 4, depth - 1)),)
        operands = () if kind in ("read", "branch", "carried") else operands
        nodes.append(Node(kind, draw(st.integers(0, 1)), operands, edges, 7**k, inside))
    return nodes


def _check(program: list[Node], data: st.DataObject, resource: bool, flag: bool) -> None:
    start = [3, 5]
    results = st.tuples(st.integers(0, len(program) - 1), st.integers(0, 1))
    fetches = data.draw(st.lists(results, min_size=1, max_size=3, unique=True))
    with tf.Graph().as_default(), tf.Session() as sess:
        built = build(program, start, resource)
        wanted, feeds = [built.results[k][r] for k, r in fetches], {built.flag: flag}
        sess.run(tf.global_variables_initializer())
        found = sess.run(wanted, feeds)
        assert (found, sess.run(built.variables)) == meaning(program, start, fetches, flag)
        sess.run(tf.global_variables_initializer())
        both = sess.run([wanted, built.variables], feeds)
        assert tuple(both) == meaning(program, start, fetches, flag)


KINDS = ("read", "assign", "add", "sum")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(program=node_lists(0, KINDS, 7, 2), data=st.data(), resource=st.booleans(), flag=st.booleans())
def test_a_run_means_what_the_model_says(
    program: list[Node], data: st.DataObject, resource: bool, flag: bool
) -> None:
    _check(program, data, resource, flag)


@pytest.mark.xla
@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(program=node_lists(0, KINDS, 5, 1), data=st.data(), resource=st.booleans(), flag=st.booleans())
def test_a_compiled_run_means_the_same(
    program: list[Node], data: st.DataObject, resource: bool, flag: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_TIER", "compile")
        _check(program, data, resource, flag)


@pytest.mark.parametrize("resource", [False, True])
def test_a_body_reads_what_is_before_it_and_writes_on_from_the_last_write(resource: bool) -> None:
    """Whatever else is fetched, and although a write that no edge orders lies between."""
    v = tf.Variable(1, use_resource=resource)
    flag = tf.placeholder(tf.bool, [])
    write = v.assign(5)
    read, written = tf.cond(flag, lambda: (v + 0, v.assign_add(1) + 0), lambda: (0, 0))
    seen, last = tf.while_loop(
        lambda i, *_: i < 2,
        lambda i, seen, _: (i + 1, seen * 10 + v, v.assign_add(1) + 0),
        [0, 0, 0],
    )[1:]
    for fetches, found in (
        ([write, read], [5, 1]),
        ([write, read, written], [5, 1, 6]),
        ([write, seen], [5, 11]),
        ([write, seen, last], [5, 16, 7]),
        ([read, written, seen, last, v], [1, 2, 13, 4, 4]),
    ):
        with tf.Session() as sess:
            sess.run(v.initializer)
            assert sess.run(fetches, {flag: True}) == found


def test_an_edge_to_what_only_another_result_takes_is_kept() -> None:
    """A branch waits for what was drawn before it, although the result that is wanted takes none of it."""
    v = tf.Variable(1, use_resource=True)
    flag = tf.placeholder(tf.bool, [])
    write = v.assign(7) + 0
    with tf.control_dependencies([write]):
        wanted, _ = tf.cond(flag, lambda: (v.read_value(), write), lambda: (0, 0))
        looped = tf.while_loop(
            lambda i, *_: i < 1, lambda i, x, y: (i + 1, v + 0, y), [tf.constant(0), 0, write]
        )
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(wanted, {flag: True}) == 7
        sess.run(v.initializer)
        assert sess.run(looped[1]) == 7


def _types(plan: object) -> list[str]:
    return [step.op.type for step in plan.steps]  # type: ignore[attr-defined]


def test_only_what_is_needed_runs() -> None:
    x = tf.placeholder(tf.float32, [2])
    y = tf.exp(x)
    z = tf.sin(y)
    tf.cos(y)
    assert _types(make_plan([z], [x])) == ["Exp", "Sin"]
    assert _types(make_plan([z], [y])) == ["Sin"]
    assert _types(make_plan([z], [y, z])) == []
    assert _types(make_plan([y.op, z, z], [x])) == ["Exp", "Sin"]


def test_a_placeholder_that_is_needed_must_be_fed() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must feed a value.*'x'.*float32.*\(2,\)"):
        make_plan([tf.exp(x)], [])


def test_fetches_are_value_ids_and_operations_have_none() -> None:
    x = tf.placeholder(tf.float32, [])
    y = x + 1.0
    plan = make_plan([y, y.op, x, y], [x])
    assert plan.fetches == [plan.steps[-1].outputs[0], -1, plan.feeds[0], plan.steps[-1].outputs[0]]
    assert plan.dims[plan.fetches[0]] == () and plan.tensors[plan.fetches[0]] is y
    assert plan.count > max(plan.tensors)


@pytest.mark.parametrize("resource", [False, True])
def test_a_read_without_an_edge_sees_the_start(resource: bool) -> None:
    v = tf.Variable(1.0, use_resource=resource)
    write = v.assign(5.0)
    read = v + 0.0
    with tf.control_dependencies([write]):
        later = v + 0.0
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([write, read, later, v]) == [5, 1, 5, 5]


@pytest.mark.parametrize("resource", [False, True])
def test_a_body_that_only_reads_sees_what_happens_before_it(resource: bool) -> None:
    v = tf.Variable(1.0, use_resource=resource)
    flag = tf.placeholder(tf.bool, [])
    write = v.assign(5.0)
    read = tf.cond(flag, lambda: v + 0.0, lambda: 0.0)
    with tf.control_dependencies([write]):
        later = tf.cond(flag, lambda: v + 0.0, lambda: 0.0)
    looped = tf.while_loop(lambda i, _: i < 2, lambda i, total: (i + 1, total + v), [0, 0.0])[1]
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([write, read, later, looped, v], {flag: True}) == [5, 1, 5, 2, 5]


def test_writes_apply_in_creation_order() -> None:
    v = tf.Variable(1.0)
    first, second, third = v.assign_add(1.0), v.assign(v * 10.0), v.assign_add(2.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([third, second, first, v]) == [12, 10, 2, 12]
    (use,) = make_plan([first.op, third.op], []).cells
    assert use.key == v.op.name and use.final != use.initial and use.must_exist


def test_a_plain_write_needs_no_value_before_it() -> None:
    v = tf.Variable(1.0, name="v")
    assert [use.must_exist for use in make_plan([v.initializer], []).cells] == [False]
    assert [use.must_exist for use in make_plan([v + 1.0], []).cells] == [True]


def test_effects_keep_their_order_when_an_edge_leads_backwards() -> None:
    """Creation order among all that is ready, although an early operation waits for a late one."""
    said: list[int] = []

    def say(n: int) -> tf.Operation:
        return tf.py_func(lambda: said.append(n) or np.int32(n), [], tf.int32).op

    first, rest = say(0), [say(n) for n in range(1, 6)]
    late = tf.no_op(name="late")
    first._add_control_input(late)
    with tf.Session() as sess:
        sess.run([first, *reversed(rest)])
    assert said == [1, 2, 3, 4, 5, 0]


def test_a_cycle_is_named() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    a = tf.exp(x, name="a")
    b = tf.sin(a, name="b")
    a.op._update_input(0, b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="cycle: a -> b"):
        make_plan([b], [])
    assert _types(make_plan([b], [a])) == ["Sin"]


def test_a_write_to_what_is_fed_is_refused() -> None:
    v = tf.Variable(1.0, name="v")
    write = v.assign(2.0)
    with (
        tf.Session() as sess,
        pytest.raises(tf.errors.InvalidArgumentError, match=r"write.*'v:0'.*fed"),
    ):
        sess.run(write, {v: 3.0})


def test_a_function_without_results_is_an_operation() -> None:
    called: list[int] = []
    x = tf.constant(3)
    for op in (tf.py_func(called.append, [x], []), tf.py_func(lambda: called.append(1), [], [])):
        with tf.Session() as sess:
            assert isinstance(op, tf.Operation) and sess.run(op) is None
    assert called == [3, 1]


def test_a_fed_variable_has_that_value_wherever_it_is_read() -> None:
    v, w = (tf.Variable(start, use_resource=False) for start in (1.0, 2.0))
    total = v + w
    with tf.control_dependencies([w.assign(20.0)]):
        later = v + w
    flag = tf.placeholder(tf.bool, [])
    inside = tf.cond(flag, lambda: v + w, lambda: 0.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([v, w, total, later], {v: 5.0}) == [5, 20, 7, 25]
        assert sess.run([inside, v], {v: 5.0, flag: True}) == [25, 5]
        assert sess.run([v, w]) == [1, 20]


def test_a_resource_variable_is_fed_by_its_read() -> None:
    v, w = (tf.Variable(start, use_resource=True) for start in (1.0, 2.0))
    total = v + w  # reads anew
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([v, w, total], {v: 5.0}) == [5, 2, 3]
        assert sess.run([w, v.handle, w.handle], {v: 5.0, w: 6.0}) == [6, 5, 6]
        assert sess.run([v, w]) == [1, 2]


def test_a_read_sees_the_last_of_the_writes_before_it() -> None:
    v = tf.Variable(1.0)
    first = v.assign(2.0)
    with tf.control_dependencies([first]):
        second = v.assign(3.0)
        between = v + 0.0
    with tf.control_dependencies([second]):
        third = v.assign(4.0)
        after_second = v + 0.0
        chained = tf.no_op()
    with tf.control_dependencies([chained]):
        through = v + 0.0
    plan = make_plan([between, after_second, through, third.op], [])
    reads = [step.inputs[0] for step in plan.steps if step.op.type == "Add"]
    writes = [step.new_state[0] for step in plan.steps if step.op.type == "Assign"]
    assert reads == [writes[0], writes[1], writes[1]] and plan.cells[0].final == writes[2]
    assert all(step.new_state[0] == step.outputs[0] for step in plan.steps if step.op.type == "Assign")


def test_a_write_starts_from_the_last_write_in_execution_order() -> None:
    v = tf.Variable(1.0)
    adds = [v.assign_add(float(n)).op for n in range(3)]
    plan = make_plan(adds, [])
    steps = [step for step in plan.steps if step.op.type == "AssignAdd"]
    (use,) = plan.cells
    assert [step.inputs[0] for step in steps] == [use.initial, *[step.new_state[0] for step in steps[:-1]]]
    assert use.final == steps[-1].new_state[0] and use.must_exist


def test_an_edge_to_a_variable_goes_on_to_what_names_it() -> None:
    v, w = (tf.Variable(1.0, use_resource=False, name=name) for name in "vw")
    r = tf.Variable(1.0, use_resource=True, name="r")
    write = v.assign(5.0)
    w.op._add_control_input(write.op)
    r.op._add_control_input(write.op)
    with tf.control_dependencies([w._ref()]):
        later = v + 0.0
    with tf.control_dependencies([r.handle]):
        late = v + 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(v.initializer)
        assert sess.run([later, late, v + 0.0]) == [5, 5, 1]


def test_an_edge_goes_through_a_read() -> None:
    v, w = (tf.Variable(1.0, use_resource=True) for _ in range(2))
    write = v.assign(5.0)
    with tf.control_dependencies([write]):
        read = w.read_value()
    with tf.control_dependencies([read]):
        later = v + 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([later, v + 0.0]) == [5, 1]


def test_what_a_write_gives_is_what_it_wrote() -> None:
    v = tf.Variable(1.0)
    written = v.assign(5.0)
    v.assign_add(1.0)
    taken = written * 2.0
    more = tf.assign_add(written, 3.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([taken, more, v]) == [10, 8, 8]


def test_each_argument_is_told_from_the_lists_before_it() -> None:
    """Which input is the reference that is written, behind lists of inputs."""
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([5.0, 6.0])
    flag = tf.placeholder(tf.bool, [])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        found = sess.run(tf.dynamic_stitch([[0], [1, 2]], [v[:1], w]))
        assert found.tolist() == [1, 5, 6]
        assert sess.run(tf.add_n([v, w, v])).tolist() == [7, 10]
        assert sess.run(tf.cond(flag, lambda: v.assign(w), lambda: w + v), {flag: True}).tolist() == [5, 6]
        assert sess.run(tf.scatter_add(v, [1], [10.0])).tolist() == [5, 16]


def test_bodies_use_cells() -> None:
    v, w, x = (tf.Variable(1.0, name=name, use_resource=True) for name in "vwx")
    flag = tf.placeholder(tf.bool, [])
    found = tf.cond(flag, lambda: v.assign_add(w + 0.0), lambda: v + x)
    plan = make_plan([found], [flag])
    (step,) = (step for step in plan.steps if step.op.type == "If")
    cells = body_cells(step.op)
    assert {key: changed for key, (_, changed) in cells.items()} == {"v": True, "w": False, "x": False}
    assert all(op.name == key for key, (op, _) in cells.items())
    assert len(step.state) == len(step.new_state) == 3 and set(step.takes) == {*step.inputs, *step.state}
    uses = {use.key: use for use in plan.cells}
    assert uses["v"].final in step.new_state and uses["w"].final == uses["w"].initial
    both = tf.cond(flag, lambda: v + 0.0, lambda: v.assign(2.0))
    (step,) = (step for step in make_plan([both], [flag]).steps if step.op.type == "If")
    assert [changed for _, changed in body_cells(step.op).values()] == [True]


def test_steps_in_bodies_are_steps() -> None:
    x, flag = tf.placeholder(tf.float32, []), tf.placeholder(tf.bool, [])
    inner = tf.cond(flag, lambda: tf.cond(flag, lambda: tf.exp(x), lambda: x), lambda: tf.sin(x))
    plan = make_plan([inner, tf.cos(x)], [x, flag])
    for wanted, found in (("Exp", True), ("Sin", True), ("Cos", True), ("If", True), ("Tan", False)):
        assert any_step(plan.steps, lambda step, wanted=wanted: step.op.type == wanted) is found
    assert not any_step([], lambda step: True)


def test_old_control_flow_is_told_apart() -> None:
    """What runs by tokens has no plan; what merely was made beside it has."""
    x = tf.placeholder(tf.float32, [])
    flag = tf.placeholder(tf.bool, [])
    off, on = raw.Switch(x, flag)
    merged = raw.Merge([off, tf.exp(on)])[0]
    with pytest.raises(NeedsTokens, match="old control flow") as caught:
        make_plan([merged], [x, flag])
    assert caught.value.op is not None
    assert [step.op.type for step in make_plan([tf.exp(x)], [x]).steps] == ["Exp"]
    assert [step.op.type for step in make_plan([tf.sin(merged)], [merged]).steps] == ["Sin"]


def test_order_is_creation_order_unless_an_edge_leads_backwards() -> None:
    a, b, c = (tf.constant(float(n)).op for n in range(3))
    assert in_order({op: op for op in (c, a, b)}) == [a, b, c]
    a._add_control_input(c)
    assert in_order({op: op for op in (c, a, b)}) == [b, c, a]
    assert in_order({op: op for op in (a, b)}) == [a, b]
    d = tf.exp(b.outputs[0]).op
    b_late = tf.identity(c.outputs[0])
    d._update_input(0, b_late)
    assert in_order({op: op for op in (d, b_late.op, c)}) == [c, b_late.op, d]


def test_a_cycle_of_edges_names_at_most_six() -> None:
    x = tf.placeholder(tf.float32, [])
    chain = [x]
    for n in range(8):
        chain.append(tf.exp(chain[-1], name=f"e{n}"))
    chain[1].op._update_input(0, chain[-1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="cycle: e0 -> e1 -> e2 -> e3 -> e4 -> e5\n"):
        make_plan([chain[-1]], [])


def test_an_outer_reference_is_a_handle_to_a_body() -> None:
    v = tf.Variable(1.0, use_resource=True)
    flag = tf.placeholder(tf.bool, [])
    plan = make_plan([tf.cond(flag, lambda: v.assign_add(1.0), lambda: v.read_value())], [flag])
    (step,) = (step for step in plan.steps if step.op.type == "If")
    handles = [value for value in step.inputs if plan.constants.get(value) is not None]
    assert handles and all(plan.constants[value].dtype == np.int8 for value in handles)


def test_versions_have_the_shape_of_their_variable() -> None:
    v = tf.Variable([1.0, 2.0], use_resource=True)
    plan = make_plan([v.assign([3.0, 4.0]).op, v.assign_add([1.0, 1.0]).op], [])
    (use,) = plan.cells
    assert plan.dims[use.initial] == plan.dims[use.final] == (2,)
    unknown = tf.Variable([1.0], validate_shape=False, use_resource=False)
    plan = make_plan([unknown + 1.0], [])
    assert plan.dims[plan.cells[0].initial] is None
