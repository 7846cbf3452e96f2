"""What a meta graph says of branches and loops: `ControlFlowContextDef` messages.

TensorFlow needs them to take gradients through control flow that it reads. A context names the nodes that lie
in it and its special ones; a nested one is part of the one around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from millrace.exchange.tokens import plain

COND_CONTEXT, WHILE_CONTEXT = "cond_context", "while_context"


def describe_branch(context: Any, name: str, nodes: Sequence[Any], outer: Iterable[tuple[str, str]]) -> None:
    """Fills in the definition of one side of a cond.

    Args:
      context: the branch.
      name: its name.
      nodes: its nodes, those of nested contexts included.
      outer: tensors outside, and what stands for them inside.
    """
    made = context.definition.cond_ctxt
    made.context_name = name
    made.pred_name = _tensor(context.predicate)
    made.pivot_name = _tensor(context.pivot)
    made.branch = context.side
    _values(made, nodes, outer)
    if made.pred_name not in made.values_def.values:
        made.values_def.values.append(made.pred_name)
    made.values_def.external_values[made.pred_name] = made.pred_name


def describe_loop(context: Any, parallel_iterations: int, nodes: Sequence[Any]) -> None:
    """Fills in the definition of a loop.

    Args:
      context: the loop; its name is that of its frame, which gradients enter.
      parallel_iterations: how many of its iterations may run at the same time.
      nodes: its nodes from Enter to Exit, those of nested contexts included.
    """
    made = context.definition.while_ctxt
    made.context_name = context.loop
    made.parallel_iterations = parallel_iterations
    made.back_prop = True
    enters = [n for n in nodes if plain(n.op) == "Enter" and n.attr["frame_name"].s.decode() == context.loop]
    variables = [n for n in enters if not n.attr["is_constant"].b]
    merges = {n.input[0] for n in variables}
    entered = {n.name for n in variables}
    merges = [n for n in nodes if plain(n.op) == "Merge" and n.input[0] in entered]
    heads = {n.name for n in merges}
    switches = {n.name for n in nodes if plain(n.op) == "Switch" and n.input[0] in heads}
    going = {n.input[1] for n in nodes if n.name in switches}
    made.pivot_name = _tensor(next(iter(going)))
    made.pivot_for_pred_name = _tensor(merges[0].name)
    made.pivot_for_body_name = _tensor(context.pivot)
    made.loop_enter_names.extend(_tensor(n.name) for n in variables)
    made.loop_exit_names.extend(
        _tensor(n.name) for n in nodes if plain(n.op) == "Exit" and n.input[0] in switches
    )
    _values(made, nodes, [(n.input[0], n.name) for n in enters if n.attr["is_constant"].b])


def _values(made: Any, nodes: Sequence[Any], outer: Iterable[tuple[str, str]]) -> None:
    made.values_def.values.extend(_tensor(node.name) for node in nodes)
    for outside, inside in outer:
        made.values_def.external_values[_tensor(outside)] = _tensor(inside)
        made.values_def.values.append(_tensor(outside))


def _tensor(text: str) -> str:
    return text if ":" in text else text + ":0"


def nest(parent: Any, child: Any) -> None:
    """Makes a definition a part of that of the context around it."""
    nested = parent.definition.while_ctxt if parent.loop else parent.definition.cond_ctxt
    nested.nested_contexts.add().CopyFrom(child)


def renamed(definition: Any, spell: Callable[[str], str]) -> Any:
    """A definition with other names of nodes, its nested ones included."""
    made = type(definition)()
    made.CopyFrom(definition)
    kind = made.WhichOneof("ctxt")
    if kind is None:
        return made
    inner = getattr(made, kind)
    for field in inner.DESCRIPTOR.fields:
        if field.name.endswith("_name") and getattr(inner, field.name):
            setattr(inner, field.name, spell(getattr(inner, field.name)))
        elif field.name.endswith("_names"):
            names = getattr(inner, field.name)
            names[:] = [spell(name) for name in names]
    values = inner.values_def
    values.values[:] = [spell(name) for name in values.values]
    outer = {spell(name): spell(inside) for name, inside in values.external_values.items()}
    values.external_values.clear()
    values.external_values.update(outer)
    nested = [renamed(one, spell) for one in inner.nested_contexts]
    del inner.nested_contexts[:]
    inner.nested_contexts.extend(nested)
    return made


def nodes_named(definition: Any) -> set[str]:
    """The nodes that a definition says lie in it."""
    kind = definition.WhichOneof("ctxt")
    return (
        set() if kind is None else {v.partition(":")[0] for v in getattr(definition, kind).values_def.values}
    )
