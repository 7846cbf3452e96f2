"""Containers in checkpoints of objects."""

import numpy as np
import pytest

import millrace as tf

C = tf.contrib.checkpoint


def test_containers_are_saved_and_restored(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        a, b, c = (tf.Variable(float(i), name=f"v{i}") for i in range(3))
        names = C.UniqueNameTracker()
        assert names.track(c, "x") is c
        root = tf.train.Checkpoint(list=C.List([a]), map=C.Mapping(key=b), names=names)
        session.run(tf.global_variables_initializer())
        path = root.save(str(tmp_path / "ckpt"), session=session)
        keys = [name for name, _ in tf.train.list_variables(path)]
        for part in ("list/0/", "map/key/", "names/x/"):
            assert any(name.startswith(part) for name in keys)
        assert len(C.object_metadata(path).nodes) >= 7
        assert C.dot_graph_from_checkpoint(path).startswith('digraph {\n  N_0 [label="root"];')
        assert a in C.list_objects(root)
        session.run(a.assign(9.0))
        root.restore(path).run_restore_ops(session)
        assert session.run(a) == 0
        assert root.list.variables == [a]


def test_refusals(tmp_path):
    found = C.Mapping()
    with pytest.raises(TypeError, match="string keys"):
        found[1] = 2
    found["a"] = 1
    with pytest.raises(ValueError, match="append-only"):
        found["a"] = 2
    with pytest.raises(ValueError, match="trackable"):
        C.UniqueNameTracker().track(1, "x")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.Variable(1.0)
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "plain"))
    with pytest.raises(ValueError, match="graph of objects"):
        C.object_metadata(path)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.complex64, bool])
def test_arrays_of_numpy(tmp_path, dtype):
    with tf.Graph().as_default(), tf.Session() as session:
        arrays = C.NumpyState()
        root = tf.train.Checkpoint(numpy=arrays)
        arrays.x = np.ones([2, 3], dtype)
        arrays.y = np.float64(4)
        path = root.save(str(tmp_path / "ckpt"), session=session)
        keys = [name for name, _ in tf.train.list_variables(path)]
        assert "numpy/x/.ATTRIBUTES/py_state" in keys
        arrays.x[0] = 0
        root.restore(path)
        assert arrays.x.all() and arrays.x.dtype == dtype and arrays.y == 4
        made = C.NumpyState()
        tf.train.Checkpoint(numpy=made).restore(path).assert_consumed()
        assert made.x.shape == (2, 3) and made.y == 4
        with pytest.raises(NotImplementedError, match="'z'"):
            made.z = 3
        with pytest.raises(AttributeError, match="'z'"):
            made.z


class _Whole(tf.keras.Model):
    def __init__(self, wrapped):
        super().__init__()
        self.a = tf.keras.layers.Dense(1, name="a")
        self.b = wrapped(tf.keras.layers.Dense(1, name="b"))

    def call(self, x):
        return self.a(x) + self.b(x)


def test_attributes_that_checkpoints_do_not_hold(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        root, module, model = tf.train.Checkpoint(), tf.Module("m"), _Whole(C.NoDependency)
        model(tf.ones([1, 1]))
        for holder in (root, module):
            holder.x, holder.y = tf.Variable(1.0), C.NoDependency(tf.Variable(2.0))
        assert isinstance(root.y, tf.Variable) and len(module.variables) == 2
        assert [layer.name for layer in model.layers] == ["a", "b"]
        root.module, root.model = module, model
        session.run(tf.global_variables_initializer())
        path = root.save(str(tmp_path / "ckpt"), session=session)
        assert [name.split("/.ATTR")[0] for name, _ in tf.train.list_variables(path)][1:] == [
            "model/a/bias",
            "model/a/kernel",
            "module/x",
            "save_counter",
            "x",
        ]
        root.y = root.x  # no longer apart
        assert "y" in dict(root._trackable_children())


def test_attributes_that_are_attributes_alone():
    from millrace.python.training.tracking import base

    with tf.Graph().as_default():
        layer = tf.keras.layers.Layer()
        with base.no_automatic_dependency_tracking_scope(layer):
            layer.inner = tf.keras.layers.Dense(1)
            layer.inner.build([None, 2])
        assert layer.weights == [] and len(layer.inner.weights) == 2
        layer.other = layer.inner
        assert len(layer.weights) == 2

    class Own(tf.keras.layers.Layer):
        @base.no_automatic_dependency_tracking
        def keep(self, variable):
            self.kept = variable

    with tf.Graph().as_default():
        own = Own()
        own.keep(tf.Variable(1.0))
        assert own.weights == [] and own.kept is not None
