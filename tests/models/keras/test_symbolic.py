"""Which values stand for tensors of a graph."""

import millrace as tf
from millrace.models.keras import symbolic


def test_classes_can_be_registered(monkeypatch):
    monkeypatch.setattr(symbolic, "_registered", list(symbolic._registered))

    class Own:
        pass

    with tf.Graph().as_default():
        assert symbolic.is_symbolic_tensor(tf.ones([1])) and not symbolic.is_symbolic_tensor(1)
        assert not symbolic.is_symbolic_tensor(tf.Variable(1.0)) and not symbolic.is_symbolic_tensor(Own())
    symbolic.register_symbolic_tensor_type(Own)
    symbolic.register_symbolic_tensor_type(Own)
    assert symbolic.is_symbolic_tensor(Own())
