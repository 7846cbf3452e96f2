"""Assertions: at once where everything is known, else when run; in both tiers; and printing."""

import re
import sys

import numpy as np
import pytest

import millrace as tf

f32 = tf.float32


def holder(shape=None, dtype=f32, name="x"):
    return tf.placeholder(dtype, shape, name)


COMPARISONS = [
    (tf.assert_equal, [1, 2], [1, 2], [1, 3], "Condition x == y did not hold element-wise:"),
    (tf.assert_none_equal, [1, 2], [2, 1], [2, 2], "Condition x != y did not hold element-wise:"),
    (tf.assert_less, [1, 2], [2, 3], [2, 2], "Condition x < y did not hold element-wise:"),
    (tf.assert_less_equal, [1, 2], [1, 3], [1, 1], "Condition x <= y did not hold element-wise:"),
    (tf.assert_greater, [1, 2], [0, 1], [1, 1], "Condition x > y did not hold element-wise:"),
    (tf.assert_greater_equal, [1, 2], [1, 2], [1, 3], "Condition x >= y did not hold element-wise:"),
]
IDS = [c[0].__name__ for c in COMPARISONS]
SIGNS = [
    (tf.assert_negative, [-1], [0], "x < 0"),
    (tf.assert_positive, [1], [0], "x > 0"),
    (tf.assert_non_negative, [0], [-1], "x >= 0"),
    (tf.assert_non_positive, [0], [1], "x <= 0"),
]


@pytest.mark.parametrize("tier", ["interpret", pytest.param("compile", marks=pytest.mark.xla)])
@pytest.mark.parametrize(("check", "x", "good", "bad", "text"), COMPARISONS, ids=IDS)
def test_comparisons(check, x, good, bad, text, tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    a, b, v = holder(), holder(name="y"), tf.Variable(1.0)
    with tf.control_dependencies([check(a, b, message="why", summarize=1, name="named")]):
        bump = v.assign_add(tf.reduce_sum(a))
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(bump, {a: x, b: good}) == 1 + sum(x)
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            sess.run(bump, {a: x, b: bad})
        assert sess.run(v) == 1 + sum(x)
    told = f"assertion failed: [why] [{text}] [x (x:0) = ] [{x[0]}...] [y (y:0) = ] [{bad[0]}...]"
    assert told in str(caught.value)
    where = r"in Assert 'named(_1)?/Assert/AssertGuard/Assert', created at test_checks.py:\d+"
    assert re.search(where, str(caught.value))


@pytest.mark.parametrize(("check", "x", "good", "bad", "text"), COMPARISONS, ids=IDS)
def test_known_comparisons_fail_while_building(check, x, good, bad, text):
    check(tf.constant(x), good)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        check(tf.constant(x, name="c"), bad, message="why")
    said = f"{check.__name__}: why\n{text}\nx (c:0) = \n[1 2]\ny ("
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(("check", "good", "bad", "text"), SIGNS, ids=[c[0].__name__ for c in SIGNS])
def test_signs(check, good, bad, text):
    x = holder(dtype=tf.int32)
    op = check(x)
    with tf.Session() as sess:
        sess.run(op, {x: good})
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"Condition {text} did not hold"):
            sess.run(op, {x: bad})
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        check(tf.constant(bad))


def test_equal_to_itself_needs_no_check():
    x = holder()
    assert tf.assert_equal(x, x).type == "NoOp"


def test_near():
    x = holder()
    op, loose = tf.assert_near(x, [1.0, 2.0]), tf.assert_near(x, [1.0, 2.0], rtol=0.1, atol=0.0)
    with tf.Session() as sess:
        sess.run(op, {x: [1 + 1e-6, 2]})
        sess.run(loose, {x: [1.05, 2.1]})
        for check, value in ((op, [1.01, 2]), (loose, [1.2, 2])):
            with pytest.raises(tf.errors.InvalidArgumentError, match="not equal to tolerance"):
                sess.run(check, {x: value})


RANKS = [
    (tf.assert_rank, 2, [2], [1, 3], "must have rank"),
    (tf.assert_rank_at_least, 2, [2, 3], [0, 1], "must have rank at least"),
    (tf.assert_rank_in, (1, 2), [1, 2], [0, 3], "must have rank in"),
]


@pytest.mark.parametrize(("check", "rank", "good", "bad", "text"), RANKS, ids=[r[0].__name__ for r in RANKS])
def test_ranks(check, rank, good, bad, text):
    x = holder()
    op = check(x, rank)
    with tf.Session() as sess:
        for n in good:
            sess.run(op, {x: np.zeros([2] * n)})
            assert check(holder([2] * n), rank).type == "NoOp"
        for n in bad:
            with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(f"[Tensor x:0 {text}]")):
                sess.run(op, {x: np.zeros([2] * n)})
            with pytest.raises(
                ValueError, match=rf"why.  Tensor x_\d+:0 {text} .*  Received rank {n}, shape"
            ):
                check(holder([2] * n), rank, message="why")


def test_dynamic_and_wrong_ranks():
    x, r = holder(), holder(dtype=tf.int32, name="r")
    op = tf.assert_rank(x, r)
    with tf.Session() as sess:
        sess.run(op, {x: [1.0], r: 1})
        with pytest.raises(tf.errors.InvalidArgumentError, match="Rank must be a scalar"):
            sess.run(op, {x: [1.0], r: [1]})
    with pytest.raises(ValueError, match="Rank must be a scalar"):
        tf.assert_rank(x, [1])
    with pytest.raises(TypeError, match="must be of type <dtype: 'int32'>"):
        tf.assert_rank(x, 1.0)


def test_static_properties():
    x, n = holder([2]), holder([], tf.int32)
    assert tf.assert_type(x, f32).type == "NoOp"
    assert tf.assert_integer(n).type == "NoOp"
    assert tf.assert_scalar(n) is n
    assert tf.is_numeric_tensor(x) is True
    assert tf.is_numeric_tensor(holder(dtype=tf.string)) is False
    assert tf.is_numeric_tensor(3) is False
    assert tf.assert_proper_iterable([1]) is None
    assert tf.assert_same_float_dtype([x, None]) is f32
    assert tf.assert_same_float_dtype() is f32
    assert tf.assert_same_float_dtype(dtype=tf.float64) is tf.float64
    wrong = [
        (lambda: tf.assert_type(x, tf.int32, "m"), TypeError, "m  x:0 must be of type <dtype: 'int32'>"),
        (lambda: tf.assert_integer(x), TypeError, 'Expected "x" to be integer type.  Found: x:0'),
        (lambda: tf.assert_scalar(x), ValueError, r"Expected scalar shape for x:0, saw shape: \(2,\)"),
        (lambda: tf.contrib.framework.assert_scalar_int(x), ValueError, "Expected integer type for x:0"),
        (lambda: tf.assert_proper_iterable("a"), TypeError, "\"proper\" iterable.  Found: <class 'str'>"),
        (lambda: tf.assert_proper_iterable(x), TypeError, '"proper" iterable'),
        (lambda: tf.assert_proper_iterable(3), TypeError, "to be iterable"),
        (lambda: tf.assert_same_float_dtype([n]), ValueError, "Expected floating point type"),
        (lambda: tf.assert_same_float_dtype([x], tf.float64), ValueError, "x:0, type=.*float32"),
        (lambda: tf.assert_same_float_dtype([x, holder(dtype=tf.float64, name="d")]), ValueError, "as x:0"),
    ]  # fmt: skip
    for call, kind, message in wrong:
        with pytest.raises(kind, match=message):
            call()


class TestShapes:
    def test_known(self):
        x, y = holder([5, 3]), holder([5], name="y")
        tf.debugging.assert_shapes([(x, ("N", "Q")), (y, ("N",)), (tf.constant(1), ())])
        tf.debugging.assert_shapes({x: ("N", None), y: (5,)})
        tf.debugging.assert_shapes([(x, ("...", 3)), (x, (5, "*")), (tf.constant(1.0), (1,))])
        z = holder([4], name="z")
        first = (
            "Specified by tensor x:0 dimension 0.  Tensor z:0 dimension 0 must have size 5.  Received size 4"
        )
        for shapes, message in (
            ([(x, ("N", "Q")), (z, ("N",))], first),
            (
                [(x, ("N", 4))],
                "Specified explicitly.  Tensor x:0 dimension 1 must have size 4.  Received size 3",
            ),
            ([(x, ("N", "Q", 3))], "must have rank 3.  Received rank 2"),
            ([(x, ("N", "N"))], "dimension 1 must have size 5"),
        ):
            with pytest.raises(ValueError, match=message):
                tf.debugging.assert_shapes(shapes)

    @pytest.mark.parametrize(
        ("good", "bad"),
        [
            (((4, 3), (4,)), ((4, 3), (5,))),
            (((1, 3), (1,)), ((1, 2), (1,))),
            (((2, 3), (2,)), ((2,), (2,))),
        ],
    )
    def test_unknown(self, good, bad):
        x, y = holder(), holder(name="y")
        op = tf.debugging.assert_shapes([(x, ("N", 3)), (y, ("N",))])
        with tf.Session() as sess:
            sess.run(op, {x: np.zeros(good[0]), y: np.zeros(good[1])})
            with pytest.raises(tf.errors.InvalidArgumentError, match="must have"):
                sess.run(op, {x: np.zeros(bad[0]), y: np.zeros(bad[1])})


def test_assert_inside_a_loop_is_not_lost():
    def body(i):
        with tf.control_dependencies([tf.Assert(tf.less(i, 3), ["too far", i])]):
            return i + 1

    n = holder([], tf.int32)
    end = tf.while_loop(lambda i: i < n, body, [0])
    with tf.Session() as sess:
        assert sess.run(end, {n: 3}) == 3
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[too far\] \[3\]"):
            sess.run(end, {n: 5})


@pytest.mark.xla
def test_assert_is_part_of_the_compiled_program(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    x = holder([3])
    with tf.control_dependencies([tf.assert_positive(x)]):
        y = tf.exp(x)
    with tf.Session() as sess:
        told = sess.explain(y, {x: [1, 2, 3]})
        assert [row.kind for row in told.rows] == ["segment"]
        np.testing.assert_allclose(sess.run(y, {x: [0.5, 1, 2]}), np.exp([0.5, 1, 2]), rtol=1e-6)
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[x \(x:0\) = \] \[1 -1 0\]"):
                sess.run(y, {x: [1, -1, 0]})
        np.testing.assert_allclose(sess.run(y, {x: [1, 1, 1]}), np.exp([1, 1, 1]), rtol=1e-6)


class TestPrint:
    def printed(self, capfd, *inputs, feeds=None, **options):
        op = tf.print(*inputs, **{"output_stream": sys.stdout, **options})
        with tf.Session() as sess:
            sess.run(op, feeds)
        return capfd.readouterr()

    def test_text(self, capfd):
        x = tf.constant([0.0, 3, 4, 5])
        out = self.printed(capfd, "a", x, {"k": x, "j": [1, x]}, (x,), sep=",", end="!\n", summarize=1).out
        assert out == "a,[0 ... 5],{'j': [1, [0 ... 5]], 'k': [0 ... 5]},([0 ... 5],)!\n"
        assert self.printed(capfd, "{}", tf.range(10)).out == "{} [0 1 2 ... 7 8 9]\n"
        assert self.printed(capfd, tf.constant("plain")).out == "plain\n"
        sparse = tf.SparseTensor([[0]], [1.0], [3])
        assert self.printed(capfd, sparse).out == "'SparseTensor(indices=[[0]], values=[1], shape=[3])'\n"
        assert self.printed(capfd, 1, None, "x").out == "1 None x\n"

    def test_streams_and_names(self, capfd, tmp_path):
        assert self.printed(capfd, "to error", output_stream=sys.stderr).err == "to error\n"
        path = tmp_path / "log"
        for i in range(2):
            self.printed(capfd, "line", i, output_stream=f"file://{path}")
        assert path.read_text() == "line 0\nline 1\n"
        assert tf.print(tf.constant(1), name="shown").name == "shown"
        assert tf.get_default_graph().get_operation_by_name("shown_format").type == "StringFormat"
        with pytest.raises(ValueError, match="Received: 'nowhere'"):
            tf.print(1, output_stream="nowhere")
        with pytest.raises(ValueError, match=r"Received: \['sepp'\]"):
            tf.print(1, sepp=1)


def test_default_seeds_after_one_sided_assertions():
    later = []
    for name, value in (("negative", -1.0), ("positive", 1.0), ("non_negative", 1.0), ("non_positive", -1.0)):
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            getattr(tf, f"assert_{name}")(tf.constant([value]))
            later.append(tf.random_normal([1]).op.inputs[0].op.inputs[0].op.get_attr("seed2"))
    assert later == [25, 25, 25, 23]
