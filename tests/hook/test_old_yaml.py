"""PyYAML without a loader."""

import types

import pytest

from millrace.hook import old_yaml

yaml = pytest.importorskip("yaml")


def test_a_loader_may_be_left_out():
    module = types.SimpleNamespace(load=yaml.load, load_all=yaml.load_all, FullLoader=yaml.FullLoader)
    old_yaml.restore(module)
    assert module.load("a: [1, !!python/tuple [2, 3]]") == {"a": [1, (2, 3)]}
    assert list(module.load_all("1\n---\n2")) == [1, 2]
    assert module.load("1", Loader=yaml.BaseLoader) == "1"
    kept = module.load
    old_yaml.restore(module)
    assert module.load is kept
