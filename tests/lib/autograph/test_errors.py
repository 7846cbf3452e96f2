"""What cannot be converted, or makes no graph."""

import traceback

import pytest

import millrace as tf
from millrace.lib.platform import log


def build(program, *values):
    with tf.Graph().as_default():
        return tf.autograph.to_graph(program)(*[tf.placeholder(tf.int32, []) for _ in values or "x"])


def test_only_one_branch_gives_a_value():
    def program(x):
        if x > 0:
            y = 1
        return y

    with pytest.raises(ValueError, match=r"no value in the else branch for 'y'"):
        build(program)


def test_only_one_branch_returns():
    def program(x):
        if x > 0:
            return x

    with pytest.raises(ValueError, match="no return value from the else branch"):
        build(program)


def test_branches_of_two_dtypes():
    def program(x):
        y = 1.0
        if x > 0:
            y = x
        return y

    with pytest.raises(TypeError, match="'y' must have the same dtype in both branches"):
        build(program)


def test_a_variable_without_a_value_before_a_loop():
    def program(x):
        while x > 0:
            z = x
            x -= 1
        return z

    with pytest.raises(ValueError, match="no value for 'z'"):
        build(program)


def test_a_loop_returns():
    def program(x):
        while x > 0:
            x -= 1
            if x > 5:
                return x
        return 0

    with pytest.raises(ValueError, match="return statements are not supported"):
        build(program)


def test_a_variable_changes_its_shape_in_a_loop():
    def program(x):
        s = tf.zeros([0], tf.int32)
        while x > 0:
            s = tf.concat([s, [x]], 0)
            x -= 1
        return s

    with pytest.raises(ValueError, match=r"'s' must keep its shape"):
        build(program)


def test_a_failed_branch_leaves_variables_as_they_were():
    state = {"n": 1}

    def program(x):
        if x > 0:
            state["n"] = x
            raise KeyError("stop")

    with pytest.raises(KeyError):
        build(program)
    assert state == {"n": 1}


@pytest.mark.parametrize("entity", [3, "x", None, len, [1]])
def test_what_is_no_function(entity):
    with pytest.raises(NotImplementedError, match="only functions and classes"):
        tf.autograph.to_graph(entity)


def test_generators_and_functions_without_source():
    def generator(x):
        yield x

    with pytest.raises(NotImplementedError, match="generators"):
        tf.autograph.to_graph(generator)
    names = {}
    exec("def f(x):\n  if x > 0: return x\n  return -x", {"__name__": "made"}, names)
    with pytest.raises(tf.contrib.autograph.AutoGraphError, match="no source"):
        tf.autograph.to_graph(names["f"])


def test_without_source_a_function_is_run_as_it_is_with_a_warning(monkeypatch):
    said = []
    monkeypatch.setattr(log, "warn", lambda text, *args: said.append(text % args))
    names = {}
    exec("def f(x):\n  if x is None: return x\n  return x + 1", {"__name__": "made"}, names)
    with tf.Graph().as_default():
        tf.data.Dataset.range(3).map(names["f"])
    assert len(said) == 1 and "could not transform" in said[0]


def test_errors_name_the_line_of_the_program():
    def program(x):
        while x > 0:
            x -= tf.constant([1, 2]) @ 3  # here
        return x

    with pytest.raises((TypeError, ValueError)) as caught:
        build(program)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert any(f.filename == __file__ and f.line.endswith("# here") for f in frames)


def test_operations_stand_where_they_were_written():
    def program(x):
        if x > 0:
            y = x * 5  # made here
        else:
            y = x
        return y

    with tf.Graph().as_default() as graph:
        tf.autograph.to_graph(program)(tf.placeholder(tf.int32, []))
        made = graph.get_operation_by_name("cond/mul")
    assert made.traceback[-1][0] == __file__
    assert made.traceback[-1][3].endswith("# made here")


def test_builtins_keep_their_keywords():
    @tf.function
    def f(x):
        with pytest.raises(ValueError, match="longer"):
            list(zip([1], [1, 2], strict=True))
        return x + int("ff", base=16)

    with tf.Session() as sess:
        assert sess.run(f(1)) == 256
