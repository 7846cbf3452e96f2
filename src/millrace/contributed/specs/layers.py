"""`tf.contrib.specs.specs_ops`: the short names of layers in expressions."""

from __future__ import annotations

from typing import Any

from millrace.contributed.layers.core import convolution2d, fully_connected
from millrace.contributed.layers.normalization import batch_norm
from millrace.contributed.layers.shapes import avg_pool2d, dropout, flatten, max_pool2d, unit_norm
from millrace.contributed.specs.composing import Callable, Composable, Function
from millrace.core.public import public
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity
from millrace.ops.array.reshape import expand_dims, reshape, squeeze, transpose
from millrace.ops.flow.logging import print_
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.activation import relu
from millrace.ops.nn.lrn import lrn
from millrace.ops.nn.softmax import softmax


@public("contrib.specs.Idx", "contrib.specs.specs_ops.Idx")
class Idx(Composable):
    """Leaves its tensor as it is."""

    def funcall(self, x: Any) -> Any:
        """`x`."""
        return x


@public("contrib.specs.Conc", "contrib.specs.specs_ops.Conc")
class Conc(Composable):
    """Joins what several functions give along a dimension.

    Args:
      dim: the dimension.
      *args: the functions.
    """

    def __init__(self, dim: int, *args: Any) -> None:
        self.dim, self.funs = dim, args

    def funcall(self, x: Any) -> Any:
        """Applies the functions and joins."""
        return concat([f.funcall(x) for f in self.funs], self.dim)


@public("contrib.specs.Shared", "contrib.specs.specs_ops.Shared")
class Shared(Composable):
    """A function whose variables are the same wherever it is applied.

    Args:
      subnet: the function.
      name: of the scope of its variables; default "Shared_" and a number.
      scope: a scope to use instead.
    """

    shared_number = 1

    def __init__(self, subnet: Any, name: str | None = None, scope: Any = None) -> None:
        self.subnet, self.scope = subnet, scope
        self.name = name or f"Shared_{Shared.shared_number}"
        if name is None:
            Shared.shared_number += 1

    def funcall(self, x: Any) -> Any:
        """Applies it, with the variables of the first time."""
        if self.scope is not None:
            with variable_scope(self.scope, values=[x], reuse=True):
                return self.subnet.funcall(x)
        with variable_scope(self.name, values=[x]) as scope:
            self.scope = scope
            return self.subnet.funcall(x)


@public("contrib.specs.Var", "contrib.specs.specs_ops.Var")
def Var(name: str, *args: Any, **kw: Any) -> Callable:  # noqa: N802
    """A variable instead of a tensor; arguments as for `tf.get_variable`."""
    return Callable(lambda _: get_variable(name, *args, **kw))


Cx = public("contrib.specs.Cx", "contrib.specs.specs_ops.Cx")(Function(convolution2d))
Cs = public("contrib.specs.Cs", "contrib.specs.specs_ops.Cs")(Function(convolution2d, activation_fn=sigmoid))
Ct = public("contrib.specs.Ct", "contrib.specs.specs_ops.Ct")(Function(convolution2d, activation_fn=tanh))
Cr = public("contrib.specs.Cr", "contrib.specs.specs_ops.Cr")(Function(convolution2d, activation_fn=relu))
Cm = public("contrib.specs.Cm", "contrib.specs.specs_ops.Cm")(Function(convolution2d, activation_fn=softmax))
Cl = public("contrib.specs.Cl", "contrib.specs.specs_ops.Cl")(Function(convolution2d, activation_fn=None))
Fx = public("contrib.specs.Fx", "contrib.specs.specs_ops.Fx")(Function(fully_connected))
Fs = public("contrib.specs.Fs", "contrib.specs.specs_ops.Fs")(
    Function(fully_connected, activation_fn=sigmoid)
)
Ft = public("contrib.specs.Ft", "contrib.specs.specs_ops.Ft")(Function(fully_connected, activation_fn=tanh))
Fr = public("contrib.specs.Fr", "contrib.specs.specs_ops.Fr")(Function(fully_connected, activation_fn=relu))
Fm = public("contrib.specs.Fm", "contrib.specs.specs_ops.Fm")(
    Function(fully_connected, activation_fn=softmax)
)
Fl = public("contrib.specs.Fl", "contrib.specs.specs_ops.Fl")(Function(fully_connected, activation_fn=None))
Mp = public("contrib.specs.Mp", "contrib.specs.specs_ops.Mp")(Function(max_pool2d))
Ap = public("contrib.specs.Ap", "contrib.specs.specs_ops.Ap")(Function(avg_pool2d))
Do = public("contrib.specs.Do", "contrib.specs.specs_ops.Do")(Function(dropout))
Bn = public("contrib.specs.Bn", "contrib.specs.specs_ops.Bn")(Function(batch_norm))
Lrn = public("contrib.specs.Lrn", "contrib.specs.specs_ops.Lrn")(Function(lrn))
Unit = public("contrib.specs.Unit", "contrib.specs.specs_ops.Unit")(Function(unit_norm))
Relu = public("contrib.specs.Relu", "contrib.specs.specs_ops.Relu")(Function(relu))
Sig = public("contrib.specs.Sig", "contrib.specs.specs_ops.Sig")(Function(sigmoid))
Tanh = public("contrib.specs.Tanh", "contrib.specs.specs_ops.Tanh")(Function(tanh))
Smax = public("contrib.specs.Smax", "contrib.specs.specs_ops.Smax")(Function(softmax))
Flat = public("contrib.specs.Flat", "contrib.specs.specs_ops.Flat")(Function(flatten))
Id = public("contrib.specs.Id", "contrib.specs.specs_ops.Id")(Function(identity))
Print = public("contrib.specs.Print", "contrib.specs.specs_ops.Print")(Function(print_))
Reshape = public("contrib.specs.Reshape", "contrib.specs.specs_ops.Reshape")(Function(reshape))
Transpose = public("contrib.specs.Transpose", "contrib.specs.specs_ops.Transpose")(Function(transpose))
Expand = public("contrib.specs.Expand", "contrib.specs.specs_ops.Expand")(Function(expand_dims))
Squeeze = public("contrib.specs.Squeeze", "contrib.specs.specs_ops.Squeeze")(Function(squeeze))


@public("contrib.specs.Dws", "contrib.specs.specs_ops.Dws")
def Dws(n: int) -> Function:  # noqa: N802
    """A layer of `n` outputs at each point, with sigmoids."""
    return Cs(n, [1, 1])


@public("contrib.specs.Dwm", "contrib.specs.specs_ops.Dwm")
def Dwm(n: int) -> Function:  # noqa: N802
    """A layer of `n` outputs at each point, with a softmax."""
    return Cm(n, [1, 1])
