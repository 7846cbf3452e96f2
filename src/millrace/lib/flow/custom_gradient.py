"""`tf.custom_gradient`: functions that bring their own derivative."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from millrace.autodiff.gradients import gradients
from millrace.autodiff.registry import RegisterGradient
from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph


@public("custom_gradient", "contrib.eager.custom_gradient")
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function that returns its result and a function for its gradient.

    Args:
      f: of tensors to `(y, grad_fn)`: `y` nested tensors, and `grad_fn` of one gradient for each of them to
        one for each argument. Where `f` uses variables, `grad_fn` also takes `variables=` and returns
        `(gradients, gradients of the variables)`.

    Returns:
      A function of the arguments of `f` that returns `y`.

    Raises:
      TypeError: `f` uses variables and `grad_fn` does not take `variables`.
      ValueError: `grad_fn` returns another number of gradients.
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        graph = get_default_graph()
        inputs = [convert.convert_to_tensor(a) for a in args]
        before = set(graph.get_collection("variables"))
        result, grad_fn = f(*inputs, **kwargs)
        used = _variables_used(graph, inputs, result, before)
        named = [v for v in used if getattr(v, "handle", None) is None]
        if named:
            raise TypeError(
                "custom_gradient: f may only use resource variables, made with use_resource=True. Received: "
                f"{', '.join(v.name for v in named)}"
            )
        if used and not _takes_variables(grad_fn):
            raise TypeError(
                "custom_gradient: f uses variables, so grad_fn must take the keyword argument 'variables'"
            )
        outputs = [convert.convert_to_tensor(y) for y in nest.flatten(result)]
        for y in outputs:
            raw.Identity(y)  # nobody takes it, but TensorFlow adds and counts it
        sources = [*inputs, *[v.value() for v in used]]

        def backward(op: Any, *dys: Any) -> list[Any]:
            dys = dys[: len(outputs)]
            if used:
                to_inputs, to_variables = grad_fn(*dys, variables=used)
                found = [*nest.flatten(to_inputs), *to_variables]
            else:
                found = nest.flatten(grad_fn(*dys))
            if len(found) != len(sources):
                raise ValueError(
                    f"custom_gradient: grad_fn must return {len(sources)} gradients. Received: {len(found)}"
                )
            return found

        found = tied(graph, outputs, sources, backward)
        graph.count(len(used))  # TensorFlow reads variables once more, for nobody
        return nest.pack_sequence_as(result, found)

    return decorated


@public("recompute_grad")
def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose gradient computes what it needs of `f` a second time, and so keeps nothing meanwhile.

    Args:
      f: of tensors to a tensor or nested ones; it may use variables with handles.

    Returns:
      A function of the arguments of `f` that returns the same.

    Raises:
      TypeError: when called: `f` uses variables without handles.

    Example:
      >>> x = tf.constant(2.0)
      >>> y = tf.recompute_grad(lambda x: x * x * x)(x)
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.gradients(y, x)))
      [np.float32(12.0)]
    """

    @functools.wraps(f)
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        inputs = [convert.convert_to_tensor(a) for a in args]

        def grad(*dys: Any, variables: Any = None) -> Any:
            with control_dependencies(dys):
                result = nest.flatten(f(*inputs, **kwargs))
            used = list(variables or ())
            found = gradients(result, [*inputs, *used], list(dys))
            to_inputs = found[: len(inputs)]
            return (to_inputs, found[len(inputs) :]) if variables is not None else to_inputs

        return custom_gradient(lambda *given: (f(*given, **kwargs), grad))(*inputs)

    return recomputed


@public("python.ops.custom_gradient._graph_mode_decorator")
def graph_mode_decorator(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`custom_gradient(f)` of some arguments, as packages call it."""
    return custom_gradient(f)(*args, **kwargs)


def tied(
    graph: Any, outputs: list[Any], sources: list[Any], backward: Callable[..., Any], name: str | None = None
) -> list[Any]:
    """The outputs once more, with a derivative of their own with respect to `sources`.

    Args:
      graph: where they are.
      outputs: tensors.
      sources: tensors that they were computed from.
      backward: (operation whose inputs are the outputs and the sources, *gradients of its outputs) -> the
        gradients of the sources.
      name: of the operation; without a name it is IdentityN.
    """
    count = len(outputs)

    def grad(op: Any, *dys: Any) -> list[Any]:
        return [None] * count + list(backward(op, *dys))

    key = f"CustomGradient-{id(grad)}-{len(graph.ops)}"
    RegisterGradient(key)(grad)
    with graph.gradient_override_map({"IdentityN": key}):
        return raw.IdentityN([*outputs, *sources], name=name)[:count]


def _takes_variables(grad_fn: Callable[..., Any]) -> bool:
    spec = inspect.getfullargspec(grad_fn)
    return "variables" in spec.args or "variables" in spec.kwonlyargs or spec.varkw is not None


def _variables_used(graph: Any, inputs: list[Any], result: Any, before: set[Any]) -> list[Any]:
    """The trainable variables that the result depends on without going through the inputs."""
    by_op = {}
    for variable in graph.get_collection("trainable_variables"):
        handle = getattr(variable, "handle", None)
        by_op[(handle if handle is not None else variable._ref()).op] = variable
    stops = {x.op for x in inputs}
    seen: set[Any] = set()
    queue = [convert.convert_to_tensor(y).op for y in nest.flatten(result)]
    found: dict[Any, None] = {}
    while queue:
        op = queue.pop()
        if op in seen or op in stops:
            continue
        seen.add(op)
        if op in by_op:
            found[by_op[op]] = None
        queue.extend(t.op for t in op.inputs)
    return sorted(found, key=lambda v: v.name)


# How much less a loop is, that takes its elements by slices, than `map_fn`, which makes an array of them.
_OF_A_MAP, _OF_AN_OPEN_MAP = 28, 30


@public("hessians")
def hessians(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
) -> list[Any]:
    """The second derivatives of the sum of `ys` with respect to each x.

    Args:
      ys, xs, and the rest: as for `gradients`.

    Returns:
      For each x of shape S a tensor of shape S + S.

    Raises:
      ValueError: a y does not depend on an x.
    """
    from millrace.lib.flow.functional import map_fn

    xs = list(xs) if isinstance(xs, list | tuple) else [xs]
    options = {
        "colocate_gradients_with_ops": colocate_gradients_with_ops,
        "gate_gradients": gate_gradients,
        "aggregation_method": aggregation_method,
    }
    with get_default_graph().name_scope(name):
        firsts = gradients(ys, xs, **options)
        found = []
        for first, x in zip(firsts, xs, strict=True):
            x = convert.convert_to_tensor(x)
            if first is None:
                raise ValueError(f"hessians: ys do not depend on '{x.name}'")
            flat = raw.Reshape(first, [-1])
            rows = map_fn(lambda g, x=x: _row(g, x, options), flat, dtype=first.dtype)
            shape = raw.Shape(x)
            x.graph.count(-(_OF_A_MAP if shapes.fully_defined(x.dims) else _OF_AN_OPEN_MAP))
            found.append(raw.Reshape(rows, raw.ConcatV2([shape, shape], 0)))
    return found


@public("python.ops.gradients_impl._hessian_vector_product")
def hessian_vector_product(ys: Any, xs: Any, v: Any) -> list[Any]:
    """The second derivatives of `ys` by `xs`, multiplied with a vector.

    Args:
      ys: scalars.
      xs: tensors.
      v: for each x a tensor of its shape.

    Returns:
      For each x a tensor of its shape; None where nothing depends on it twice.

    Raises:
      ValueError: `xs` and `v` are not equally many.
    """
    if len(v) != len(xs):
        raise ValueError(f"xs and v must have the same length. Received: {len(xs)}, {len(v)}")
    products = [
        raw.Mul(first, raw.StopGradient(along))
        for first, along in zip(gradients(ys, xs), v, strict=True)
        if first is not None
    ]
    return gradients(products, xs)


def _row(g: Any, x: Any, options: dict[str, Any]) -> Any:
    second = gradients(g, x, **options)[0]
    return raw.ZerosLike(x) if second is None else convert.convert_to_tensor(second)


@public("grad_pass_through")
def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that computes `f` and whose gradient is that of the identity.

    Args:
      f: of tensors to tensors of as many results as arguments.
    """

    @custom_gradient
    def passing(*args: Any, **kwargs: Any) -> Any:
        def gradient(*dys: Any, variables: Any = None) -> Any:
            passed = dys[0] if len(dys) == 1 else list(dys)
            return passed if variables is None else (passed, [None] * len(variables))

        return f(*args, **kwargs), gradient

    return functools.wraps(f)(passing)
