"""The messages of all operation types."""

import pytest

from millrace.core import protos
from millrace.exchange.registered_ops import get_registered_ops, register_op_list


def test_all_operation_types_are_there():
    known = get_registered_ops()
    assert known is get_registered_ops() and len(known) > 500
    assert [a.name for a in known["MatMul"].input_arg] == ["a", "b"]
    assert known["VariableV2"].is_stateful and not known["Add"].is_stateful


def test_a_list_is_added():
    known = get_registered_ops()
    register_op_list(protos.OpList(op=[protos.OpDef(name="QuiteNew"), known["Add"]]))
    try:
        assert known["QuiteNew"].name == "QuiteNew"
        with pytest.raises(ValueError, match="QuiteNew"):
            register_op_list(protos.OpList(op=[protos.OpDef(name="QuiteNew", is_stateful=True)]))
        with pytest.raises(TypeError, match="OpList"):
            register_op_list([known["Add"]])
    finally:
        del known["QuiteNew"]
