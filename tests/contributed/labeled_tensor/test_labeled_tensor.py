"""Tests of tf.contrib.labeled_tensor."""

import numpy as np
import pytest

import millrace as tf

lt = tf.contrib.labeled_tensor
_A = np.arange(6, dtype=np.float32).reshape(2, 3)


def _a():
    return lt.LabeledTensor(tf.constant(_A), ["x", ("y", ["a", "b", "c"])])


def _b():
    return lt.LabeledTensor(tf.constant([1.0, 2.0, 3.0]), [("y", ["a", "b", "c"])])


def _run(x):
    with tf.Session() as session:
        return session.run(x.tensor)


def _axes(x):
    return [(n, a.value if a.labels else a.size) for n, a in x.axes.items()]


def test_axes_and_texts():
    assert repr(_a()).endswith("axes=[('x', Dimension(2)),\n       ('y', ('a', 'b', 'c'))]>")
    assert repr(lt.Axis("x", 3)) == "Axis('x', Dimension(3))" and lt.Axis("y", ["a", "b"]).index("b") == 1
    assert lt.Axes([("x", 2), ("y", 3)]).remove("x") == lt.Axes([("y", 3)])
    for bad in (lambda: lt.Axis("x", ["a", "a"]), lambda: lt.Axes([("x", 1), ("x", 2)])):
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(ValueError, match="size"):
        lt.LabeledTensor(tf.ones([2]), [("x", 3)])


def test_elements_are_matched_by_name():
    np.testing.assert_array_equal(_run(_a() + _b()), _A + [1, 2, 3])
    np.testing.assert_array_equal(_run(lt.add(_b(), 1.0)), [2, 3, 4])
    np.testing.assert_array_equal(_run(-lt.square(_b())), [-1, -4, -9])
    np.testing.assert_array_equal(
        _run(lt.where(_a() > lt.ones_like(_a()), _a(), lt.zeros_like(_a()))), _A * (_A > 1)
    )
    np.testing.assert_array_equal(_run(lt.nn.relu(-_a())), np.maximum(-_A, 0))
    turned = lt.transpose(_a(), ["y", "x"])
    with lt.axis_order_scope(["y", "x"]):
        assert list(lt.add(turned, _b()).axes) == ["y", "x"]
        assert list(lt.impose_axis_order(_a()).axes) == ["y", "x"]
        with pytest.raises(lt.AxisOrderError):
            lt.check_axis_order(_a())
    with pytest.raises(lt.AxisOrderError):
        lt.add(_a(), turned)
    with pytest.raises(ValueError, match="Mismatched"):
        lt.add(_a(), lt.LabeledTensor(tf.ones([3]), ["y"]))


@pytest.mark.parametrize(
    ("make", "axes", "value"),
    [
        (lambda: lt.select(_a(), {"y": "b"}), [("x", 2)], _A[:, 1]),
        (lambda: lt.select(_a(), {"y": ["c", "a"]}), [("x", 2), ("y", ("c", "a"))], _A[:, [2, 0]]),
        (lambda: lt.select(_a(), {"y": slice("b", "c")}), [("x", 2), ("y", ("b", "c"))], _A[:, 1:]),
        (lambda: _a()[0, :], [("y", ("a", "b", "c"))], _A[0]),
        (lambda: lt.slice(_a(), {"x": slice(1, 2)}), [("x", 1), ("y", ("a", "b", "c"))], _A[1:]),
        (lambda: lt.concat([_a(), _a()], "x"), [("x", 4), ("y", ("a", "b", "c"))], np.concatenate([_A, _A])),
        (lambda: lt.reshape(_a(), ["x", "y"], ["z"]), [("z", 6)], _A.ravel()),
        (
            lambda: lt.reshape(_a(), ["y"], [("u", 3), ("v", 1)]),
            [("x", 2), ("u", 3), ("v", 1)],
            _A[:, :, None],
        ),
        (lambda: lt.rename_axis(_a(), "x", "w"), [("w", 2), ("y", ("a", "b", "c"))], _A),
        (
            lambda: lt.pack([_b(), _b()], ("n", ["p", "q"])),
            [("n", ("p", "q")), ("y", ("a", "b", "c"))],
            [[1, 2, 3]] * 2,
        ),
        (lambda: lt.unpack(_a())[1], [("y", ("a", "b", "c"))], _A[1]),
        (lambda: lt.squeeze(lt.expand_dims(_b(), ["x", "y"])), [("y", ("a", "b", "c"))], [1, 2, 3]),
        (lambda: lt.tile(_a(), {"x": 2}), [("x", 4), ("y", ("a", "b", "c"))], np.tile(_A, (2, 1))),
        (lambda: lt.pad(_b(), {"y": (["q"], [])}), [("y", ("q", "a", "b", "c"))], [0, 1, 2, 3]),
        (lambda: lt.matmul(_a(), _b()), [("x", 2)], _A @ [1, 2, 3]),
        (lambda: lt.reduce_sum(_a(), "x"), [("y", ("a", "b", "c"))], _A.sum(0)),
        (lambda: lt.reduce_max(_a(), [("x", "top")]), [("x", ("top",)), ("y", ("a", "b", "c"))], _A[1:]),
        (lambda: lt.map_fn(lt.reduce_mean, _a()), [("x", 2)], _A.mean(1)),
        (lambda: lt.foldl(lt.add, _a(), _b()), [("y", ("a", "b", "c"))], _A.sum(0) + [1, 2, 3]),
        (lambda: lt.cast(_b(), tf.int32), [("y", ("a", "b", "c"))], [1, 2, 3]),
        (lambda: lt.random_crop(_b(), {"y": 3}), [("y", 3)], [1, 2, 3]),
        (lambda: lt.constant([1, 2], axes=["k"]), [("k", 2)], [1, 2]),
        (lambda: lt.verify_tensor_all_finite(_b(), "m"), [("y", ("a", "b", "c"))], [1, 2, 3]),
    ],
)
def test_axes_follow(make, axes, value):
    made = make()
    assert _axes(made) == axes
    np.testing.assert_allclose(_run(made), value, rtol=1e-6)


def test_masks_coders_and_parsing():
    kept = lt.boolean_mask(_a(), lt.LabeledTensor(tf.constant([False, True]), ["x"]))
    np.testing.assert_array_equal(_run(kept), _A[1:])
    coder = lt.ReshapeCoder(["x", "y"], ["z"])
    assert _axes(coder.decode(coder.encode(_a()))) == _axes(_a())
    with pytest.raises(ValueError, match="before"):
        lt.ReshapeCoder(["x"], ["z"]).decode(_a())
    example = tf.train.Example()
    example.features.feature["v"].float_list.value.extend([1.0, 2.0])
    fixed = {"v": lt.FixedLenFeature([("k", ["p", "q"])], tf.float32)}
    text = lt.LabeledTensor(tf.constant([example.SerializeToString()]), ["batch"])
    assert _axes(lt.parse_example(text, fixed)["v"]) == [("batch", 1), ("k", ("p", "q"))]
    (one,) = lt.parse_single_example(text[0,], fixed).values()
    np.testing.assert_array_equal(_run(one), [1, 2])
    batches = lt.batch([_b()], 4) + lt.shuffle_batch([_b()], 4, min_after_dequeue=1)
    assert [_axes(x)[0] for x in batches] == [("batch", 4)] * 2
    assert _axes(lt.placeholder(tf.float32, ["x", ("y", 2)])) == [("x", None), ("y", 2)]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: lt.transpose(_a(), ["y"]), ValueError),
        (lambda: lt.concat([_a(), _b()], "x"), KeyError),
        (lambda: lt.reshape(_a(), ["y", "x"], ["z"]), lt.AxisOrderError),
        (lambda: lt.select(_a(), {"q": "b"}), ValueError),
        (lambda: lt.select(_a(), {"y": "z"}), KeyError),
        (lambda: lt.tile(_a(), {"y": 2}), ValueError),
        (lambda: lt.matmul(_b(), lt.LabeledTensor(tf.ones([2]), ["q"])), ValueError),
        (lambda: lt.convert_to_labeled_tensor(tf.ones([2])), ValueError),
    ],
)
def test_refused(make, error):
    with pytest.raises(error):
        make()
