"""`tf.contrib.labeled_tensor`: functions that work element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators
from millrace.building.scopes import name_scope
from millrace.contributed.labeled_tensor.axes import LabeledTensor, align, convert_to_labeled_tensor, named
from millrace.core.public import public
from millrace.ops.math import arithmetic, comparison, division, elementwise, select, special, trigonometric


@public("contrib.labeled_tensor.define_unary_op")
def define_unary_op(op_name: str, elementwise_function: Callable[..., Any]) -> Callable[..., LabeledTensor]:
    """Makes a function of labeled tensors of one of tensors, which works element by element.

    Args:
      op_name: for names of results.
      elementwise_function: the function.
    """

    def op(labeled_tensor: Any, name: str | None = None) -> LabeledTensor:
        with name_scope(name, f"lt_{op_name}", [labeled_tensor]) as scope:
            labeled_tensor = convert_to_labeled_tensor(labeled_tensor)
            return named(elementwise_function(labeled_tensor.tensor), labeled_tensor.axes, scope)

    op.__doc__ = f"`tf.{op_name}` of a labeled tensor, whose axes the result has."
    op.__name__ = op_name
    return op


@public("contrib.labeled_tensor.define_binary_op")
def define_binary_op(op_name: str, elementwise_function: Callable[..., Any]) -> Callable[..., LabeledTensor]:
    """Makes a function of two labeled tensors of one of tensors, which works element by element.

    Args:
      op_name: for names of results.
      elementwise_function: the function.
    """

    def op(labeled_tensor_0: Any, labeled_tensor_1: Any, name: str | None = None) -> LabeledTensor:
        with name_scope(name, f"lt_{op_name}", [labeled_tensor_0, labeled_tensor_1]) as scope:
            a, b, axes = align(labeled_tensor_0, labeled_tensor_1)
            return named(elementwise_function(a.tensor, b.tensor), axes, scope)

    op.__doc__ = f"`tf.{op_name}` of two labeled tensors, whose axes are matched by name."
    op.__name__ = op_name
    return op


abs_ = public("contrib.labeled_tensor.abs")(define_unary_op("abs", elementwise.abs))
neg = public("contrib.labeled_tensor.neg")(define_unary_op("neg", elementwise.negative))
sign = public("contrib.labeled_tensor.sign")(define_unary_op("sign", elementwise.sign))
reciprocal = public("contrib.labeled_tensor.reciprocal")(define_unary_op("reciprocal", division.reciprocal))
square = public("contrib.labeled_tensor.square")(define_unary_op("square", elementwise.square))
round_ = public("contrib.labeled_tensor.round")(define_unary_op("round", elementwise.round))
sqrt = public("contrib.labeled_tensor.sqrt")(define_unary_op("sqrt", elementwise.sqrt))
rsqrt = public("contrib.labeled_tensor.rsqrt")(define_unary_op("rsqrt", elementwise.rsqrt))
exp = public("contrib.labeled_tensor.exp")(define_unary_op("exp", elementwise.exp))
log = public("contrib.labeled_tensor.log")(define_unary_op("log", elementwise.log))
ceil = public("contrib.labeled_tensor.ceil")(define_unary_op("ceil", elementwise.ceil))
floor = public("contrib.labeled_tensor.floor")(define_unary_op("floor", elementwise.floor))
cos = public("contrib.labeled_tensor.cos")(define_unary_op("cos", trigonometric.cos))
sin = public("contrib.labeled_tensor.sin")(define_unary_op("sin", trigonometric.sin))
tan = public("contrib.labeled_tensor.tan")(define_unary_op("tan", trigonometric.tan))
acos = public("contrib.labeled_tensor.acos")(define_unary_op("acos", trigonometric.acos))
asin = public("contrib.labeled_tensor.asin")(define_unary_op("asin", trigonometric.asin))
atan = public("contrib.labeled_tensor.atan")(define_unary_op("atan", trigonometric.atan))
lgamma = public("contrib.labeled_tensor.lgamma")(define_unary_op("lgamma", special.lgamma))
digamma = public("contrib.labeled_tensor.digamma")(define_unary_op("digamma", special.digamma))
erf = public("contrib.labeled_tensor.erf")(define_unary_op("erf", special.erf))
erfc = public("contrib.labeled_tensor.erfc")(define_unary_op("erfc", special.erfc))
logical_not = public("contrib.labeled_tensor.logical_not")(
    define_unary_op("logical_not", comparison.logical_not)
)
tanh = public("contrib.labeled_tensor.tanh")(define_unary_op("tanh", trigonometric.tanh))
sigmoid = public("contrib.labeled_tensor.sigmoid")(define_unary_op("sigmoid", elementwise.sigmoid))
add = public("contrib.labeled_tensor.add")(define_binary_op("add", arithmetic.add))
sub = public("contrib.labeled_tensor.sub")(define_binary_op("sub", arithmetic.subtract))
mul = public("contrib.labeled_tensor.mul")(define_binary_op("mul", arithmetic.multiply))
div = public("contrib.labeled_tensor.div")(define_binary_op("div", operators.public_div))
mod = public("contrib.labeled_tensor.mod")(define_binary_op("mod", division.floormod))
pow_ = public("contrib.labeled_tensor.pow")(define_binary_op("pow", arithmetic.pow))
equal = public("contrib.labeled_tensor.equal")(define_binary_op("equal", comparison.equal))
greater = public("contrib.labeled_tensor.greater")(define_binary_op("greater", comparison.greater))
greater_equal = public("contrib.labeled_tensor.greater_equal")(
    define_binary_op("greater_equal", comparison.greater_equal)
)
not_equal = public("contrib.labeled_tensor.not_equal")(define_binary_op("not_equal", comparison.not_equal))
less = public("contrib.labeled_tensor.less")(define_binary_op("less", comparison.less))
less_equal = public("contrib.labeled_tensor.less_equal")(
    define_binary_op("less_equal", comparison.less_equal)
)
logical_and = public("contrib.labeled_tensor.logical_and")(
    define_binary_op("logical_and", comparison.logical_and)
)
logical_or = public("contrib.labeled_tensor.logical_or")(
    define_binary_op("logical_or", comparison.logical_or)
)
logical_xor = public("contrib.labeled_tensor.logical_xor")(
    define_binary_op("logical_xor", comparison.logical_xor)
)
maximum = public("contrib.labeled_tensor.maximum")(define_binary_op("maximum", select.maximum))
minimum = public("contrib.labeled_tensor.minimum")(define_binary_op("minimum", select.minimum))
squared_difference = public("contrib.labeled_tensor.squared_difference")(
    define_binary_op("squared_difference", arithmetic.squared_difference)
)
igamma = public("contrib.labeled_tensor.igamma")(define_binary_op("igamma", special.igamma))
igammac = public("contrib.labeled_tensor.igammac")(define_binary_op("igammac", special.igammac))
zeta = public("contrib.labeled_tensor.zeta")(define_binary_op("zeta", special.zeta))
polygamma = public("contrib.labeled_tensor.polygamma")(define_binary_op("polygamma", special.polygamma))


def _operators() -> None:
    """Gives labeled tensors the operators of Python."""
    for sign, function in {
        "add": add,
        "sub": sub,
        "mul": mul,
        "truediv": div,
        "mod": mod,
        "pow": pow_,
    }.items():
        setattr(LabeledTensor, f"__{sign}__", lambda a, b, f=function: f(a, b))
        setattr(LabeledTensor, f"__r{sign}__", lambda a, b, f=function: f(b, a))
    for sign, function in {"lt": less, "le": less_equal, "gt": greater, "ge": greater_equal}.items():
        setattr(LabeledTensor, f"__{sign}__", lambda a, b, f=function: f(a, b))
    for sign, function in {"and": logical_and, "or": logical_or, "xor": logical_xor}.items():
        setattr(LabeledTensor, f"__{sign}__", lambda a, b, f=function: f(a, b))
        setattr(LabeledTensor, f"__r{sign}__", lambda a, b, f=function: f(b, a))
    for sign, function in {"neg": neg, "abs": abs_, "invert": logical_not}.items():
        setattr(LabeledTensor, f"__{sign}__", lambda a, f=function: f(a))


_operators()
# Offered here, so that whoever has the class has its operators, too.
public("contrib.labeled_tensor.LabeledTensor")(LabeledTensor)
