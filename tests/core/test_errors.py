"""Run-time errors: signatures, codes, what they print and that they travel between processes."""

import pickle
import re
from types import SimpleNamespace

import pytest

from millrace.core import errors

CODES = {
    "CancelledError": 1,
    "UnknownError": 2,
    "InvalidArgumentError": 3,
    "DeadlineExceededError": 4,
    "NotFoundError": 5,
    "AlreadyExistsError": 6,
    "PermissionDeniedError": 7,
    "ResourceExhaustedError": 8,
    "FailedPreconditionError": 9,
    "AbortedError": 10,
    "OutOfRangeError": 11,
    "UnimplementedError": 12,
    "InternalError": 13,
    "UnavailableError": 14,
    "DataLossError": 15,
    "UnauthenticatedError": 16,
}


class Op:
    """Stands for an operation; a local class in a graph would not pickle either."""

    name, type, user_location, node_def = "c1/Conv2D", "Conv2D", "model.py:42", "the NodeDef"

    def __reduce__(self):
        raise TypeError("graphs do not pickle")


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_every_class(name, code):
    cls = getattr(errors, name)
    constant = re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Error")).upper()
    assert getattr(errors, constant) == code
    assert errors.exception_type_from_error_code(code) is cls
    assert errors.error_code_from_exception_type(cls) == code

    error = cls(None, None, "it broke")
    assert isinstance(error, errors.OpError)
    assert (error.node_def, error.op, error.message, error.error_code) == (None, None, "it broke", code)
    assert str(error) == "it broke"
    assert repr(error) == f"{name}('it broke')"
    assert cls(node_def=None, op=None, message="named").message == "named"

    assert "Fails:" in cls.__doc__ and "Fixed:" in cls.__doc__


@pytest.mark.parametrize("name", [*CODES, "OpError"])
def test_pickling_keeps_everything_but_the_graph(name):
    cls = getattr(errors, name)
    code = CODES.get(name, 3)
    args = (code,) if name in ("OpError", "UnknownError") else ()
    error = cls("the NodeDef", Op(), "it broke", *args)
    error.add_note("while training")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert (again.node_def, again.message, again.error_code) == ("the NodeDef", "it broke", code)
    assert (again.op.name, again.op.type, again.op.user_location) == ("c1/Conv2D", "Conv2D", "model.py:42")
    assert str(again) == str(error)
    assert again.__notes__ == ["while training"]
    assert str(pickle.loads(pickle.dumps(again))) == str(error)


def test_the_text_says_who_and_where():
    text = str(errors.InvalidArgumentError(None, Op(), "filter expects 4 channels, got 3"))
    assert text == "filter expects 4 channels, got 3\n  in Conv2D 'c1/Conv2D', created at model.py:42"
    plain = SimpleNamespace(name="a", type="Const")
    assert str(errors.NotFoundError(None, plain, "no")) == "no\n  in Const 'a'"


def test_node_def_comes_from_the_op_when_not_given():
    assert errors.AbortedError(None, Op(), "x").node_def == "the NodeDef"
    assert errors.AbortedError("mine", Op(), "x").node_def == "mine"
    assert errors.AbortedError(None, SimpleNamespace(name="a", type="b"), "x").node_def is None


def test_unknown_error_keeps_a_foreign_code():
    assert errors.UnknownError(None, None, "x").error_code == errors.UNKNOWN == 2
    assert errors.UnknownError(None, None, "x", 77).error_code == 77


@pytest.mark.parametrize("code", [0, 17, 99])
def test_codes_without_a_class(code):
    with pytest.raises(KeyError, match=f"got {code}"):
        errors.exception_type_from_error_code(code)
    assert errors.error_code_from_exception_type(ValueError) == errors.UNKNOWN


def test_status_context():
    watched = errors.raise_exception_on_not_ok_status
    with watched() as status:
        assert status.code == errors.OK
    with pytest.raises(errors.NotFoundError, match="no such file") as caught, watched() as status:
        status.code, status.message = errors.NOT_FOUND, "no such file"
    assert caught.value.error_code == errors.NOT_FOUND
    for code in (errors.UNKNOWN, 77):
        with pytest.raises(errors.UnknownError) as caught, watched() as status:
            status.code = code
        assert caught.value.error_code == code
    with pytest.raises(ZeroDivisionError), watched() as status:
        status.code = errors.INTERNAL
        _ = 1 / 0


def test_inaccessible_tensor_is_a_value_error():
    assert issubclass(errors.InaccessibleTensorError, ValueError)
