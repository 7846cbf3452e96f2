"""`cond`, `case`, `while_loop` and the ways to order and bundle operations."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

from millrace.autodiff.bodies import align
from millrace.building import convert, raw
from millrace.building.body import Body
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, nest, shapes
from millrace.core.depth import bounded
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.crossing import Flat, arrays_made_inside, dereferenced, plain
from millrace.lib.flow.loops import Loop
from millrace.ops.array.concat import stack

# Before the branches of a cond TensorFlow adds Switch, switch_t, switch_f and pred_id.
_FOR_A_BRANCH = 4


def _branch(graph: Any, function: Callable[[], Any], truth: bool, strict: bool) -> tuple[Body, Any, Flat]:
    """Draws what `function` adds into a body; its result's structure, and the result as tensors.

    The body runs where the condition is `truth`, which is what an operation without a result gives.
    """
    body = Body(graph, "Switch")
    with graph.inside(body), graph.counted_from(0) if graph.bodies_apart else contextlib.nullcontext():
        result = function()
        if not strict:
            result = _unpacked(result)
        if result is None or (nest.is_nested(result) and not nest.flatten(result)):
            who = "true_fn" if truth else "false_fn"
            raise ValueError(f"cond: {who} must return something. Received: {result!r}")
        if isinstance(result, Operation):
            result = _value_of(result, truth)
        flat = Flat([_value_of(v, truth) for v in nest.flatten(result)])
        tensors = [t if isinstance(t, Tensor) else convert.to_tensor(t) for t in flat.tensors]
        body.outputs = [_inside(body, t) for t in tensors]
        with graph.counted_as(0):
            body.outputs = [dereferenced(t) for t in body.outputs]
    return body, result, flat


def _inside(body: Body, tensor: Tensor) -> Tensor:
    """A result of a branch: made there, or captured by it."""
    return tensor if tensor.op.body is body else body.capture(tensor, "Switch")


def _unpacked(structure: Any) -> Any:
    """The element of a list, tuple or named tuple that has but one; anything else as it is."""
    return structure[0] if isinstance(structure, list | tuple) and len(structure) == 1 else structure


def _with_one_index_dtype(first: Flat, then: Body, second: Flat, other: Body) -> None:
    """Where two IndexedSlices differ in the dtype of their indices, both get int64."""
    position = 0
    for kind, size, kind_2 in zip(first.kinds, first.sizes, second.kinds, strict=True):
        if kind == kind_2 == "IndexedSlices":
            for body in (then, other):
                indices = body.outputs[position + 1]
                if then.outputs[position + 1].dtype is not other.outputs[position + 1].dtype:
                    with body.graph.inside(body):
                        body.outputs[position + 1] = raw.Cast(indices, DstT=dtypes.int64)
        position += size


def _value_of(value: Any, truth: bool) -> Any:
    if isinstance(value, Operation):
        with control_dependencies([value]), value.graph.counted_as(1):
            return raw.Identity(convert.constant_of(truth, None, "Const"))
    return value


@public("cond")
def cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Callable[[], Any] | None = None,
    fn2: Callable[[], Any] | None = None,
) -> Any:
    """What `true_fn` returns where `pred` holds, else what `false_fn` returns; only that one runs.

    Args:
      pred: a scalar bool tensor.
      true_fn, false_fn: functions without arguments that return tensors in the same structure and of the same
        dtypes.
      strict: keep a list of one tensor a list.
      name: scope; default "cond".
      fn1, fn2: old names of `true_fn` and `false_fn`.

    Raises:
      TypeError: `pred` is a Python bool, or a branch is not callable.
      ValueError: the branches return different structures or dtypes.

    Example:
      >>> x = tf.constant(2.0)
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.cond(x > 1.0, lambda: x * 10.0, lambda: -x)))
      20.0
    """
    true_fn, false_fn = _renamed(true_fn, fn1, "true_fn", "fn1"), _renamed(false_fn, fn2, "false_fn", "fn2")
    if not callable(true_fn):
        raise TypeError(f"cond: true_fn must be callable. Received: {true_fn!r}")
    if not callable(false_fn):
        raise TypeError(f"cond: false_fn must be callable. Received: {false_fn!r}")
    if isinstance(pred, bool):
        raise TypeError(f"cond: pred must not be a Python bool. Received: {pred!r}")
    with name_scope(name, "cond", [pred]):
        pred = convert.convert_to_tensor(pred, name="pred")
        if pred.dtype.base_dtype is not dtypes.bool_:
            raise TypeError(f"cond: pred must be bool. Received: {pred.name} of dtype {pred.dtype.name}")
        if pred.dims is not None and len(pred.dims) != 0:
            raise ValueError(f"cond: pred must be a scalar. Received: {pred.name} of shape {pred.shape}")
        graph = get_default_graph()
        if graph.executes:
            result = true_fn() if pred else false_fn()
            return result if strict else _unpacked(result)
        graph = pred.graph
        if graph.body is not None and pred.op.body is not graph.body:
            pred = graph.body.capture(pred)
        graph.count(0 if graph.bodies_apart else _FOR_A_BRANCH)
        then, first, first_flat = _branch(graph, true_fn, True, strict)
        other, second, second_flat = _branch(graph, false_fn, False, strict)
        _check_alike(first, first_flat, second, second_flat)
        _with_one_index_dtype(first_flat, then, second_flat, other)
        for a, b in zip(then.outputs, other.outputs, strict=True):
            if a.dtype.base_dtype is not b.dtype.base_dtype:
                raise ValueError(
                    "cond: outputs of true_fn and false_fn must have the same type. Received: "
                    f"{a.dtype.name} and {b.dtype.name}"
                )
        arrays, count = arrays_made_inside(first_flat, second_flat), len(then.outputs)
        for _, *both in arrays:
            for body, array in zip((then, other), both, strict=True):
                body.outputs.append(_inside(body, array.handle))
        with graph.counted_as(count + graph.bodies_apart):  # a Merge for each
            inputs = align([then, other])
            outputs = raw.If(
                pred,
                inputs,
                Tout=[t.dtype.base_dtype for t in then.outputs],
                then_branch=then,
                else_branch=other,
            )
            outputs = [raw.Identity(t, name="Merge") for t in outputs]
        values = first_flat.pack(outputs[:count])
        for (place, _, array), handle in zip(arrays, outputs[count:], strict=True):
            values[place] = values[place].joined(array, handle)
        packed = nest.pack_sequence_as(first, values)
    return packed if strict else _unpacked(packed)


def _check_alike(first: Any, first_flat: Flat, second: Any, second_flat: Flat) -> None:
    """Both branches must return the same structure, of values of the same kinds.

    Raises:
      TypeError: containers are of different kinds.
      ValueError: the nesting or a value's kind differs.
    """
    try:
        nest.assert_same_structure(plain(first), plain(second))
    except (TypeError, ValueError) as error:
        rule = "cond: true_fn and false_fn must return the same structure"
        raise type(error)(f"{rule}. {error}") from None
    for a, b, size, size_2 in zip(
        first_flat.kinds, second_flat.kinds, first_flat.sizes, second_flat.sizes, strict=True
    ):
        if (a != b or size != size_2) and not (size == size_2 == 1):
            raise ValueError(
                f"cond: true_fn and false_fn must return values of one kind. Received: {a} and {b}"
            )


def _renamed(new: Any, old: Any, new_name: str, old_name: str) -> Any:
    if new is not None and old is not None:
        raise TypeError(f"cond: give {new_name} or {old_name}, not both")
    return old if new is None else new


@bounded
def _check_cases(pairs: list[Any]) -> None:
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"case: each element must be a (pred, fn) pair. Received: {pair!r}")
        if not isinstance(pair[0], Tensor) or pair[0].dtype.base_dtype is not dtypes.bool_:
            raise TypeError(f"case: each pred must be a bool tensor. Received: {pair[0]!r}")
        if not callable(pair[1]):
            raise TypeError(f"case: each fn must be callable. Received: {pair[1]!r}")


@public("case")
def case(
    pred_fn_pairs: Any,
    default: Any = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """What the first function returns whose predicate holds.

    Args:
      pred_fn_pairs: pairs of (scalar bool tensor, function without arguments), or a dict of them.
      default: the function to use when no predicate holds; default: that is an error.
      exclusive: it is an error when more than one predicate holds.
      strict: keep a list of one tensor a list.
      name: scope.

    Raises:
      TypeError: the pairs are not a list or dict, or their elements are not pairs of a bool tensor and a
        function.
      ValueError: a dict without an order is given where the order matters.
    """
    if isinstance(pred_fn_pairs, Mapping):
        pairs = list(pred_fn_pairs.items())
        if not exclusive and type(pred_fn_pairs) is dict:
            pairs.sort(key=lambda pair: getattr(pair[0], "name", ""))
    elif isinstance(pred_fn_pairs, list | tuple):
        pairs = list(pred_fn_pairs)
    else:
        raise TypeError(f"case: pred_fn_pairs must be a list, tuple or dict. Received: {pred_fn_pairs!r}")
    _check_cases(pairs)
    if default is not None and not callable(default):
        raise TypeError(f"case: default must be callable. Received: {default!r}")
    if not pairs:
        raise ValueError("case: at least one (pred, fn) pair is needed")
    with name_scope(name, "case", [p for p, _ in pairs]):
        if default is None:
            *pairs, last = pairs
            others = [p for p, _ in pairs]
            default = functools.partial(_last_resort, others, *last)
        guards = []
        if exclusive:
            guards.append(_at_most(1, [p for p, _ in pairs], "exclusive=True, but several conditions hold:"))
        with control_dependencies(guards):
            return _chain(pairs, default, strict)


def _last_resort(others: list[Tensor], pred: Tensor, function: Callable[[], Any]) -> Any:
    """What the last function returns, where none of the other predicates holds; it is an error if `pred` does
    not, either.
    """
    together = raw.Pack([*others, pred], name="preds_c")
    none = _at_most(0, others, "The last function was called, but some of the other conditions hold:")
    holds = Assert(pred, ["None of the conditions evaluated as True:", together])
    graph = pred.graph
    with control_dependencies([none, holds]):
        before = len(graph.ops)
        result = function()

        def behind(value: Any) -> Any:
            tensor = convert.convert_to_tensor(value)
            if tensor.op.id >= before:
                return tensor
            graph.count(-1)  # TensorFlow gives such a tensor back as it is
            return raw.Identity(tensor)

        return nest.map_structure(behind, result)


def _at_most(most: int, preds: list[Tensor], message: str) -> Operation:
    """Asserts how many predicates may hold."""
    together = stack(preds, name="preds_c")
    each = raw.Cast(together, DstT=dtypes.int32)
    whole = convert.constant_of([0], dtypes.int32, "Const")
    count = raw.Sum(each, whole, name="num_true_conds")
    fine = raw.LessEqual(count, convert.constant_of(most, dtypes.int32, "n_true_conds"))
    named = ", ".join(p.name for p in preds)
    return Assert(fine, [f"{message} {named}", together], summarize=len(preds))


def _chain(pairs: list[Any], default: Callable[[], Any], strict: bool) -> Any:
    if not pairs:
        return default()
    (pred, function), rest = pairs[0], pairs[1:]
    return cond(pred, function, lambda: _chain(rest, default, strict), strict=strict)


@public("switch_case")
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: str = "switch_case") -> Any:
    """What the function numbered `branch_index` returns; the last one, or `default`, when there is none.

    Args:
      branch_index: a scalar int32 tensor.
      branch_fns: a list of functions, a dict from int to function, or a list of (int, function) pairs.
      default: the function for other indices; default: the one with the largest index.
      name: scope.

    Raises:
      TypeError: the functions or the index are of a wrong kind.
      ValueError: the keys are not 0, 1, 2, ... or occur twice.
    """
    if isinstance(branch_fns, Mapping):
        branches = sorted(branch_fns.items())
    elif isinstance(branch_fns, list | tuple):
        branches = [p if isinstance(p, tuple) else (i, p) for i, p in enumerate(branch_fns)]
        branches.sort(key=lambda pair: pair[0])
    else:
        raise TypeError(f"switch_case: branch_fns must be a list, tuple or dict. Received: {branch_fns!r}")
    if not branches:
        raise ValueError("switch_case: at least one branch function is needed")
    if len({k for k, _ in branches}) != len(branches):
        raise ValueError(f"switch_case: the branch keys must be unique. Received: {[k for k, _ in branches]}")
    if any(not isinstance(k, int) or not callable(f) for k, f in branches):
        raise TypeError(f"switch_case: branches map ints to functions. Received: {branches!r}")
    if default is not None and not callable(default):
        raise TypeError(f"switch_case: default must be callable. Received: {default!r}")
    with name_scope(name, "switch_case", [branch_index]):
        index = convert.convert_to_tensor(branch_index, name="branch_index")
        if default is None:
            default = branches[-1][1]
            branches = branches[:-1]
        before = index.graph.last_id
        pairs = [(raw.Equal(index, k), f) for k, f in branches]
        result = _chain(pairs, default, True)
        # TensorFlow adds one operation whose branches are functions, and an identity of each result
        index.graph.count(before + 1 + len(nest.flatten(result)) - index.graph.last_id)
        return result


@public("while_loop")
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeats `body` while `cond` holds.

    Args:
      cond: of the loop variables to a scalar bool tensor.
      body: of the loop variables to new values for them, in the same structure.
      loop_vars: what they start with: nested tensors, TensorArrays, IndexedSlices, SparseTensors.
      shape_invariants: what stays true of the variables' shapes, in the same structure; default: their first
        shapes.
      parallel_iterations: accepted; iterations run in order.
      back_prop: whether gradients may flow through the loop.
      swap_memory: accepted.
      name: scope; default "while".
      maximum_iterations: a scalar int; stop after so many.
      return_same_structure: keep a list of one variable a list.

    Returns:
      The variables after the loop, in the structure of `loop_vars`; a single one by itself.

    Raises:
      TypeError: `cond` or `body` is not callable, or a variable changes its dtype.
      ValueError: there are no variables, `body` returns another structure, or a shape is not as invariant as
        promised.

    Example:
      >>> count, total = tf.while_loop(lambda i, total: i < 5, lambda i, total: (i + 1, total + i), (0, 0))
      >>> with tf.Session() as sess:
      ...     print(sess.run([count, total]))
      [np.int32(5), np.int32(10)]
    """
    if not callable(cond):
        raise TypeError(f"while_loop: cond must be callable. Received: {cond!r}")
    if not callable(body):
        raise TypeError(f"while_loop: body must be callable. Received: {body!r}")
    if isinstance(loop_vars, Tensor):
        raise TypeError(f"while_loop: loop_vars must be a list or tuple. Received: {loop_vars!r}")
    if not isinstance(loop_vars, list | tuple | Mapping) or not loop_vars:
        raise ValueError(f"while_loop: no loop variables provided. Received: {loop_vars!r}")
    if parallel_iterations < 1:
        raise TypeError(
            f"while_loop: parallel_iterations must be a positive integer. Received: {parallel_iterations}"
        )
    with name_scope(name, "while", [v for v in nest.flatten(loop_vars) if isinstance(v, Tensor)]):
        if maximum_iterations is not None:
            limit = convert.to_tensor(maximum_iterations, name="maximum_iterations")
            if limit.dims is not None and limit.dims != ():
                raise ValueError(
                    f"while_loop: maximum_iterations must be a scalar. Received: shape {limit.shape}"
                )
            counter = convert.to_tensor(0, limit.dtype.base_dtype, "iteration_counter")
            alone = len(loop_vars) == 1 and not return_same_structure
            inner_test, inner_step = cond, body
            rest = loop_vars[0] if alone else loop_vars
            if shape_invariants is not None:
                inner = shape_invariants[0] if alone else shape_invariants
                shape_invariants = (shapes.shape_of(()), inner)
            loop_vars, return_same_structure = (counter, rest), True

            def counted_test(i: Any, values: Any) -> Any:
                return raw.LogicalAnd(
                    raw.Less(i, limit), inner_test(values) if alone else inner_test(*values)
                )

            def counted_step(i: Any, values: Any) -> Any:
                return i + 1, inner_step(values) if alone else inner_step(*values)

            cond, body = counted_test, counted_step
        loop = Loop(cond, body, loop_vars, shape_invariants, back_prop, parallel_iterations)
        results = loop.build()
    if maximum_iterations is not None:
        return results[1]
    if len(loop.start) == 1 and not return_same_structure:
        return results[0]
    return results


def limited_loop(
    test: Callable[..., Any],
    step: Callable[..., Any],
    variables: list[Any],
    limit: Any,
    parallel: int,
    back_prop: bool = True,
    of_the_limit: int = 2,
) -> Any:
    """A loop whose test ends it in time: TensorFlow counts its iterations too, here they are not.

    Args:
      test, step: functions of the variables.
      variables: what they start with.
      limit: how many iterations there are; an int is a constant more in TensorFlow's graph.
      parallel, back_prop: as for `while_loop`.
      of_the_limit: how many operations TensorFlow adds to the test.

    Returns:
      The variables after the loop.
    """
    with name_scope(None, "while", [v for v in nest.flatten(variables) if isinstance(v, Tensor)]):
        if isinstance(limit, int):
            get_default_graph().count(1)
            of_the_limit = 3
        get_default_graph().unique_name("Exit")  # that of TensorFlow's counter
        return Loop(test, step, variables, None, back_prop, parallel, of_the_limit).build()


@public("group")
def group(*inputs: Any, **kwargs: Any) -> Operation:
    """An operation that is done when all of `inputs` (operations, tensors, nested) are.

    Args:
      *inputs: what to wait for.
      **kwargs: `name`, the op name; default "group_deps".

    Raises:
      ValueError: another keyword.
      TypeError: an input is neither an operation nor a tensor.

    Example:
      >>> x = tf.Variable(1.0)
      >>> y = tf.Variable(1.0)
      >>> both = tf.group(tf.assign(x, 2.0), tf.assign(y, 3.0))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     sess.run(both)
      ...     print(sess.run([x, y]))
      [np.float32(2.0), np.float32(3.0)]
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise ValueError(f"group: unknown keyword arguments {', '.join(kwargs)}")
    ops = []
    for value in nest.flatten(list(inputs), expand_composites=True):
        if not hasattr(value, "device") and not hasattr(value, "op"):
            raise TypeError(f"group: expected an operation, tensor or variable. Received: {value!r}")
        ops.append(value)
    with name_scope(name, "group_deps", [v for v in ops if isinstance(v, Tensor | Operation)]) as scope:
        by_device: dict[str, list[Any]] = {}
        for op in ops:
            by_device.setdefault(op.device, []).append(op)
        if len(by_device) > 1:  # operations of one device are waited for there
            return _gate("", [_gate(place, by_device[place]) for place in sorted(by_device)], scope)
        return _gate(next(iter(by_device), ""), ops, scope)


def _gate(place: str, ops: list[Any], name: str | None = None) -> Operation:
    """A NoOp on a device that waits for `ops`."""
    with get_default_graph().device(place) if place else contextlib.nullcontext(), control_dependencies(ops):
        return raw.NoOp(name=name)


@public("tuple")
def tuple_(tensors: Any, name: str | None = None, control_inputs: Any = None) -> list[Any]:
    """`tensors` as new tensors that are available only when all of them, and `control_inputs`, are.

    Raises:
      ValueError: there is no tensor.
      TypeError: a control input is neither an operation nor a tensor.
    """
    with name_scope(name, "tuple", [t for t in tensors if isinstance(t, Tensor | Operation)]):
        tensors = [
            t if t is None or isinstance(t, Operation | IndexedSlices) else _slices_or_tensor(t)
            for t in tensors
        ]
        sources = [t if isinstance(t, Operation) else _values(t).op for t in tensors if t is not None]
        for extra in control_inputs or ():
            if not isinstance(extra, Tensor | Operation):
                raise TypeError(f"tuple: control inputs are operations or tensors. Received: {extra!r}")
            sources.append(extra.op if isinstance(extra, Tensor) else extra)
        if not sources:
            raise ValueError(f"tuple: must have at least one tensor. Received: {tensors!r}")
        with control_dependencies(sources):
            gate = raw.NoOp(name="group_deps")
        return [
            None
            if t is None
            else gate
            if isinstance(t, Operation)
            else with_dependencies([gate], t, "control_dependency")
            for t in tensors
        ]


def _slices_or_tensor(value: Any) -> Any:
    if isinstance(value, SparseTensor):
        return IndexedSlices(value.values, value.indices, value.dense_shape)
    return convert.convert_to_tensor(value)


def _values(tensor: Any) -> Tensor:
    return tensor.values if isinstance(tensor, IndexedSlices) else tensor


@public("python.ops.control_flow_ops.with_dependencies", "contrib.framework.with_dependencies")
def with_dependencies(dependencies: Any, output_tensor: Any, name: str | None = None) -> Any:
    """`output_tensor`, available only when all of `dependencies` are."""
    with (
        name_scope(name, "control_dependency", [output_tensor]) as scope,
        get_default_graph().colocate_with(_values(output_tensor)),
        control_dependencies(dependencies),
    ):
        if isinstance(output_tensor, IndexedSlices):
            values = raw.Identity(output_tensor.values, name=scope)
            return IndexedSlices(values, output_tensor.indices, output_tensor.dense_shape)
        return raw.Identity(convert.convert_to_tensor(output_tensor), name=scope)
