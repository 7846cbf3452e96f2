"""Each way to ask for what cannot be: the class, who and which rule, what was received, where; nothing changes."""

import re

import pytest

import millrace as tf


@pytest.fixture
def program():
    """A session with a variable that every failed call must leave alone."""

    class Program:
        x = tf.placeholder(tf.float32, [2], name="x")
        n = tf.placeholder(tf.int32, [], name="n")
        v = tf.Variable(5.0, name="v")
        bump = v.assign_add(1.0)
        y = tf.multiply(x, 2.0, name="y")
        sess = tf.Session()

    Program.sess.run(tf.global_variables_initializer())
    return Program


# ruff: noqa: E501 - a row a line
RUN_ERRORS = [
    ("missing", lambda p: p.sess.run(p.y), tf.errors.InvalidArgumentError, "must feed a value for placeholder tensor 'x' with dtype float"),
    ("shape", lambda p: p.sess.run(p.y, {p.x: [1, 2, 3]}), ValueError, r"Cannot feed value of shape \(3,\) for Tensor 'x:0', which has shape '\(2,\)'"),
    ("dtype", lambda p: p.sess.run(p.y, {p.x: ["a", "b"]}), ValueError, r"'x:0' of dtype float32.*Received: \['a', 'b'\]"),
    ("ragged", lambda p: p.sess.run(p.y, {p.x: [[1, 2], [1]]}), ValueError, r"'x:0'.*Received: \[\[1, 2\], \[1\]\]"),
    ("none fed", lambda p: p.sess.run(p.y, {p.x: None}), ValueError, "None.*'x:0'"),
    ("too large", lambda p: p.sess.run(p.n, {p.n: 2**40}), TypeError, "'n:0' of dtype int32.*Received: 1099511627776"),
    ("tensor fed", lambda p: p.sess.run(p.y, {p.x: p.x}), TypeError, "cannot be a Tensor.*Received: .*'x:0'"),
    ("no dict", lambda p: p.sess.run(p.y, [1]), TypeError, r"must be a dictionary. Received: \[1\]"),
    ("foreign feed", lambda p: p.sess.run(p.y, {foreign(): 1}), TypeError, "Cannot interpret feed_dict key as Tensor: .*not an element of this graph"),
    ("unknown feed", lambda p: p.sess.run(p.y, {"no:0": 1}), TypeError, "feed_dict key.*'no:0'"),
    ("operation fed", lambda p: p.sess.run(p.y, {p.y.op: 1}), TypeError, "feed_dict key.*Operation"),
    ("uneven feeds", lambda p: p.sess.run(p.y, {(p.x, p.n): (1, 2, 3)}), ValueError, "Key had 2 elements, but value had 3"),
    ("foreign fetch", lambda p: p.sess.run(foreign()), ValueError, "Fetch argument .* cannot be interpreted as a Tensor.*not an element"),
    ("unknown fetch", lambda p: p.sess.run("no:0"), ValueError, "Fetch argument 'no:0' cannot be interpreted.*'no'"),
    ("no such output", lambda p: p.sess.run("y:3"), ValueError, "'y' has 1 outputs"),
    ("none fetched", lambda p: p.sess.run(None), TypeError, "Fetch argument None has invalid type <class 'NoneType'>"),
    ("number fetched", lambda p: p.sess.run([p.v, 3]), TypeError, "Fetch argument 3 has invalid type <class 'int'>, must be a string or Tensor"),
    ("options", lambda p: p.sess.run(p.v, options=3), TypeError, "RunOptions. Received: 3"),
    ("metadata", lambda p: p.sess.run(p.v, run_metadata=3), TypeError, "RunMetadata. Received: 3"),
]  # fmt: skip


def foreign():
    with tf.Graph().as_default():
        return tf.constant(1.0)


@pytest.mark.parametrize(("what", "call", "kind", "message"), RUN_ERRORS, ids=[e[0] for e in RUN_ERRORS])
def test_a_wrong_run_says_what_is_wrong_and_changes_nothing(program, what, call, kind, message):
    with pytest.raises(kind) as caught:
        call(program)
    assert re.search(message, str(caught.value), re.S), str(caught.value)
    assert program.sess.run(program.v) == 5


def divide(p):
    return tf.constant([4, 5]) // tf.stack([p.n, 1])


def pick(p):
    return tf.gather([1, 2, 3], p.n)


def multiply(p):
    return tf.matmul(tf.ones([2, 3]), tf.ones(tf.stack([p.n, 2])))


def read(p):
    late = tf.Variable(1.0, name="late")
    return late + tf.cast(p.n, tf.float32)


STEP_ERRORS = [
    (divide, 0, tf.errors.InvalidArgumentError, "Integer division by zero", "FloorDiv"),
    (pick, 7, tf.errors.InvalidArgumentError, r"(is not|must be) in \[0, 3\)", "Gather"),
    (multiply, 4, tf.errors.InvalidArgumentError, r"2,3.*4,2", "MatMul"),
    (read, 1, tf.errors.FailedPreconditionError, "Attempting to use uninitialized value late", "VariableV2"),
]


@pytest.mark.parametrize("tier", ["interpret", pytest.param("compile", marks=pytest.mark.xla)])
@pytest.mark.parametrize(
    ("make", "n", "kind", "message", "type_"), STEP_ERRORS, ids=[e[0].__name__ for e in STEP_ERRORS]
)
def test_a_failing_step_names_its_operation_and_line_and_changes_nothing(
    program, make, n, kind, message, type_, tier, monkeypatch
):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    failing = make(program)
    for fetches in ([program.bump, failing], [failing, program.bump.op]):
        with pytest.raises(kind) as caught:
            program.sess.run(fetches, {program.n: n})
        text = str(caught.value)
        assert re.search(message, text, re.S), text
        assert caught.value.op.type.startswith(type_)
        assert re.search(r"created at test_errors\.py:\d+", text), text
        assert program.sess.run(program.v) == 5
        assert program.sess.run(program.bump) == 6
        program.v.load(5.0, program.sess)


def test_errors_of_a_step_show_the_inputs(program):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"inputs: .*int32\[2\].*int32\[2\]"):
        program.sess.run(divide(program), {program.n: 0})


def test_unfeedable_and_unfetchable(program):
    graph = tf.get_default_graph()
    graph.prevent_feeding(program.y)
    with pytest.raises(ValueError, match=r"y:0.* may not be fed"):
        program.sess.run(program.y, {program.y: [1, 2]})
    graph.prevent_fetching(program.y.op)
    with pytest.raises(ValueError, match="'y' has been marked as not fetchable"):
        program.sess.run(program.y, {program.x: [1, 2]})


def test_a_closed_session_is_closed_for_everything(program):
    sess = program.sess
    handle = sess.partial_run_setup([program.y], [program.x])
    call = sess.make_callable(program.v)
    sess.close()
    sess.close()
    for attempt in (
        lambda: sess.run(program.v),
        lambda: sess.partial_run_setup([program.v]),
        lambda: sess.partial_run(handle, program.y, {program.x: [1, 2]}),
        call,
    ):
        with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
            attempt()
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        sess.list_devices()


def test_empty_graph():
    with pytest.raises(RuntimeError, match="graph is empty"):
        tf.Session(graph=tf.Graph()).run([])


def test_no_default_session(program):
    for attempt in (program.y.eval, program.v.eval, program.bump.op.run):
        with pytest.raises(ValueError, match="no default session"):
            attempt()
    with tf.Session(graph=tf.Graph()), pytest.raises(ValueError, match="graph"):
        program.y.eval({program.x: [1, 2]})


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"graph": 3}, TypeError, "graph must be a tf.Graph, but got <class 'int'>"),
        ({"config": 3}, TypeError, "config must be a tf.ConfigProto, but got <class 'int'>"),
        ({"target": 3}, TypeError, "target must be a string, but got <class 'int'>"),
        ({"target": "nowhere"}, tf.errors.NotFoundError, "Received: 'nowhere'"),
    ],
)
def test_wrong_arguments_of_a_session(arguments, kind, message):
    with pytest.raises(kind, match=message):
        tf.Session(**arguments)


def test_a_cycle_is_named(program):
    a = tf.Variable(1.0, name="a")
    first = tf.identity(a, name="first")
    second = tf.negative(first, name="second")
    third = tf.exp(second, name="third")
    second.op._update_input(0, third)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"cycle: .*(second|third) -> .*(second|third)"):
        program.sess.run(third)
    assert program.sess.run(program.v) == 5


class TestBuilding:
    """Errors while the graph is drawn: nothing is added to it."""

    def test_shapes_and_dtypes(self):
        a, b = tf.ones([2, 3], name="a"), tf.ones([4, 5], name="b")
        size = len(tf.get_default_graph().get_operations())
        with pytest.raises(ValueError, match=r"(?s)MatMul.*3.*4.*a.*b"):
            tf.matmul(a, b)
        with pytest.raises(TypeError, match="float32"):
            tf.multiply(a, tf.constant([1, 2, 3]))
        with pytest.raises((TypeError, ValueError), match="Add"):
            a + tf.ones([7])
        added = [op.type for op in tf.get_default_graph().get_operations()[size:]]
        assert set(added) <= {"Const"}

    def test_unknown_attribute(self):
        op = tf.constant(1.0, name="c").op
        with pytest.raises(ValueError, match=r"'c'.*no attr named 'nope'"):
            op.get_attr("nope")

    def test_duplicate_gradient(self):
        @tf.RegisterGradient("OnlyOnceHere")
        def gradient(op, dy):
            return dy

        with pytest.raises((KeyError, ValueError), match="OnlyOnceHere"):
            tf.RegisterGradient("OnlyOnceHere")(gradient)

    def test_finalized_graph(self):
        graph = tf.get_default_graph()
        v = tf.Variable(1.0)
        graph.finalize()
        with pytest.raises(RuntimeError, match="finalized and cannot be modified"):
            v + 1
        with tf.Session() as sess:
            sess.run(v.initializer)
            assert sess.run(v) == 1

    def test_foreign_tensor(self):
        other = foreign()
        here = tf.constant(1.0)
        with pytest.raises(ValueError, match="graph"):
            tf.add(here, other)
