"""Meta graphs of one name scope, as `tensorflow.python.framework.meta_graph` exports and imports them: with
the variables of that scope, by their names inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.saver import meta_graph


def _variables(graph: Graph, scope: str | None) -> dict[str, Any]:
    """The global variables of a scope by their names inside it."""
    inside = f"{scope}/" if scope else ""
    return {v.name.removeprefix(inside): v for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES, scope)}


@public("python.framework.meta_graph.import_scoped_meta_graph_with_return_elements")
def import_with_return_elements(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: dict[str, Any] | None = None,
    unbound_inputs_col_name: str = meta_graph.UNBOUND,
    restore_collections_predicate: Callable[[str], bool] | None = None,
    return_elements: Iterable[str] | None = None,
) -> tuple[dict[str, Any], list[Any] | None]:
    """Adds a meta graph to a graph, under a scope; gives its variables, and the elements asked for.

    Args:
      meta_graph_or_file: the message, or the file that holds it.
      clear_devices: leave the devices out.
      graph: default, the default graph.
      import_scope: a scope for the nodes.
      input_map: names of inputs to what takes their place.
      unbound_inputs_col_name: the collection that lists the inputs that must be mapped.
      restore_collections_predicate: tells by its name whether a collection is taken; default, all.
      return_elements: names of operations and tensors to return.

    Raises:
      ValueError: there are unbound inputs and no `input_map`, or the nodes cannot be added.
      OSError: the file is missing or holds something else.
    """
    graph = get_default_graph() if graph is None else graph
    _, found = meta_graph.import_scoped_meta_graph(
        meta_graph_or_file,
        clear_devices=clear_devices,
        graph=graph,
        import_scope=import_scope,
        input_map=input_map,
        unbound_inputs_col_name=unbound_inputs_col_name,
        restore_collections_predicate=restore_collections_predicate,
        return_elements=return_elements,
    )
    return _variables(graph, import_scope), found


@public("python.framework.meta_graph.import_scoped_meta_graph")
def import_variables(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: dict[str, Any] | None = None,
    unbound_inputs_col_name: str = meta_graph.UNBOUND,
    restore_collections_predicate: Callable[[str], bool] | None = None,
) -> dict[str, Any]:
    """The variables of `import_scoped_meta_graph_with_return_elements`, which has the same arguments."""
    return import_with_return_elements(
        meta_graph_or_file,
        clear_devices,
        graph,
        import_scope,
        input_map,
        unbound_inputs_col_name,
        restore_collections_predicate,
    )[0]


@public("python.framework.meta_graph.export_scoped_meta_graph")
def export_scoped_meta_graph(
    filename: str | None = None,
    graph_def: Any = None,
    graph: Graph | None = None,
    export_scope: str | None = None,
    as_text: bool = False,
    clear_devices: bool = False,
    saver_def: Any = None,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> tuple[Any, dict[str, Any]]:
    """A scope of a graph as a `MetaGraphDef`, and its variables by their names inside.

    Arguments are those of `tf.train.export_meta_graph`.
    """
    graph = get_default_graph() if graph is None else graph
    message = meta_graph.export_meta_graph(
        filename,
        graph_def=graph_def,
        saver_def=saver_def,
        as_text=as_text,
        graph=graph,
        export_scope=export_scope,
        clear_devices=clear_devices,
        clear_extraneous_savers=clear_extraneous_savers,
        strip_default_attrs=strip_default_attrs,
        save_debug_info=save_debug_info,
        **kwargs,
    )
    return message, _variables(graph, export_scope)


@public("python.framework.meta_graph.copy_scoped_meta_graph")
def copy_scoped_meta_graph(
    from_scope: str, to_scope: str, from_graph: Graph | None = None, to_graph: Graph | None = None
) -> dict[str, Any]:
    """Copies what lies in one scope to another, of the same graph or of two; gives the new variables.

    Args:
      from_scope: what to copy.
      to_scope: where to.
      from_graph, to_graph: default, the default graph.

    Raises:
      ValueError: both graphs and both scopes are the same.
    """
    from_graph = get_default_graph() if from_graph is None else from_graph
    to_graph = get_default_graph() if to_graph is None else to_graph
    if from_graph is to_graph and from_scope == to_scope:
        raise ValueError(
            "'from_scope' and 'to_scope' need to be different when performing copy in the same graph. "
            f"Received: {from_scope!r}"
        )
    message, _ = export_scoped_meta_graph(export_scope=from_scope, graph=from_graph)
    return import_variables(message, graph=to_graph, import_scope=to_scope)
