"""`tf.Module`: variables and modules among the attributes of an object."""

import pytest

import millrace as tf


class Inner(tf.Module):
    def __init__(self, name=None):
        super().__init__(name=name)
        with self.name_scope:
            self.w = tf.Variable(1.0, name="w")
            self.fixed = tf.Variable(1.0, name="fixed", trainable=False)
        self.listed = [tf.Variable(2.0, name="z"), {"a": tf.Variable(3.0)}]

    @tf.Module.with_name_scope
    def __call__(self, x):
        return x * self.w


class MyOuter2LayerHTTP(tf.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.more = (Inner(name="q"), self.inner)


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def test_variables_come_in_the_order_of_attributes():
    module = Inner()
    assert module.name == "inner" and module.name_scope.name == "inner/"
    assert [v.op.name for v in module.variables] == ["inner/fixed", "z", "Variable", "inner/w"]
    assert [v.op.name for v in module.trainable_variables] == ["z", "Variable", "inner/w"]
    assert module(2.0).op.name == "inner/mul" and Inner().name_scope.name == "inner_1/"


def test_modules_inside():
    outer = MyOuter2LayerHTTP()
    assert outer.name == "my_outer2_layer_http"
    assert [m.name for m in outer.submodules] == ["inner", "q"]
    assert len(outer.variables) == 8
    found = dict(outer._flatten(predicate=lambda v: isinstance(v, tf.Variable), with_path=True))
    assert ("inner", "listed", 1, "a") in found and ("more", 0, "w") in found
    assert list(outer._flatten(recursive=False, predicate=lambda v: isinstance(v, tf.Variable))) == []


def test_layers_are_modules():
    module = tf.Module()
    module.layer = tf.keras.layers.Dense(2)
    module.layer.build([None, 3])
    assert module.submodules == (module.layer,)
    assert [v.shape.as_list() for v in module.variables] == [[2], [3, 2]]


def test_a_checkpoint_holds_a_module(tmp_path):
    module = Inner()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = tf.train.Checkpoint(module=module).save(str(tmp_path / "c"), sess)
    assert any(name.startswith("module/w/") for name, _ in tf.train.list_variables(path))


def test_a_name_is_an_identifier():
    with pytest.raises(ValueError, match="not a valid module name"):
        tf.Module(name="a b")
