"""What commonly goes wrong in programs of graphs and sessions, looked for in what a run has done."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from millrace.graph.graph import Graph

_MOST_NAMED = 4
_ASSIGNS = frozenset(("Assign", "AssignVariableOp"))
_MANY_SHAPES = 4
_SAVES = frozenset(("SaveV2", "Save", "SaveSlices"))


class Finding(NamedTuple):
    """One thing that goes wrong: what, where (`file.py:42`, or empty) and what to do."""

    what: str
    where: str
    remedy: str


class Seen:
    """What the runs of one graph have done.

    Attributes:
      graph: the graph.
      ran: its operations that some run has needed.
      runs: how many runs there were.
      first: the number of operations at the first run.
      added: how many operations stood in the graph at each run at which there were more than before.
      zero: for each update, how many of its runs had a gradient with a value other than zero.
      dead: for each ReLU, how many of its runs had an output above zero.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ran: set[Any] = set()
        self.runs = 0
        self.first = self.last = len(graph.ops)
        self.added: list[tuple[int, int]] = []
        self.zero: Counter[Any] = Counter()
        self.dead: Counter[Any] = Counter()
        self.observed: Counter[Any] = Counter()
        self.shapes: dict[Any, set[Any]] = {}

    def note_run(self) -> None:
        """Counts a run, and the operations that were added since the one before."""
        self.runs += 1
        if len(self.graph.ops) > self.last:
            self.added.append((self.last, len(self.graph.ops)))
            self.last = len(self.graph.ops)


def examine(seen: Seen) -> Iterator[Finding]:
    """All that is wrong with the runs of one graph."""
    for look in (_growing, _updates, _variables, _gradients, _relus, _savers, _queues, _recompiling):
        yield from look(seen)


def is_update(op: Any) -> bool:
    """True for an operation by which an optimizer changes a variable."""
    return "Apply" in op.type and not op.type.startswith("Accumulator")


def _growing(seen: Seen) -> Iterator[Finding]:
    """Operations that one line adds between runs, again and again."""
    lines: dict[str, list[int]] = {}
    for start, end in seen.added:
        for place in {op.user_location for op in seen.graph.ops[start:end] if op.user_location}:
            count = sum(op.user_location == place for op in seen.graph.ops[start:end])
            lines.setdefault(place, []).append(count)
    for place, counts in lines.items():
        if len(counts) >= 3:
            yield Finding(
                f"{sum(counts)} operations are added between runs, {len(counts)} times by the same line: the "
                "graph grows and each run is planned afresh",
                place,
                "build them once, before the loop; `graph.finalize()` makes such a line an error",
            )


def _updates(seen: Seen) -> Iterator[Finding]:
    if not any(map(is_update, seen.ran)):
        return
    missed = [op for op in _operations(seen.graph.get_collection("update_ops")) if op not in seen.ran]
    if missed:
        yield Finding(
            f"training ran, but {_count(missed, 'operation')} of UPDATE_OPS never did (moving averages of "
            f"batch normalization, most likely): {_names(missed)}",
            missed[0].user_location,
            "with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)): "
            "train_op = optimizer.minimize(loss)",
        )


def _variables(seen: Seen) -> Iterator[Finding]:
    graph = seen.graph
    known = dict.fromkeys([*graph.get_collection("variables"), *graph.get_collection("local_variables")])
    set_by_runs = {source for op in seen.ran if op.type in _ASSIGNS for source in _sources(op)}
    unset = [v.op for v in known if hasattr(v, "op") and v.op not in set_by_runs]
    if unset and seen.runs:
        local = [v.op for v in graph.get_collection("local_variables") if v.op in unset]
        group = "local" if len(local) == len(unset) else "global"
        yield Finding(
            f"{_count(unset, 'variable')} never initialised: {_names(unset)}",
            unset[0].user_location,
            f"session.run(tf.{group}_variables_initializer()), made after the last variable",
        )


def _gradients(seen: Seen) -> Iterator[Finding]:
    """Variables that no update changes, and updates whose gradient is always zero."""
    updates = [op for op in seen.ran if is_update(op)]
    if not updates:
        return
    trained = {source for op in updates for source in _sources(op)}
    idle = [v.op for v in seen.graph.get_collection("trainable_variables") if v.op not in trained]
    if idle:
        yield Finding(
            f"{_count(idle, 'trainable variable')} never trained: {_names(idle)}; the gradient is None where "
            "the loss does not depend on a variable",
            idle[0].user_location,
            "make the loss depend on them, add them to `var_list`, or create them with trainable=False",
        )
    still = [op for op in updates if seen.observed[op] >= 3 and not seen.zero[op]]
    if still:
        variables = [source for op in still for source in _sources(op)]
        yield Finding(
            f"the gradient of {_names(variables)} is zero in every run",
            variables[0].user_location if variables else "",
            "look for tf.stop_gradient, a dead activation, a comparison or a cast between it and the loss",
        )


def _relus(seen: Seen) -> Iterator[Finding]:
    dead = [op for op in seen.ran if op.type == "Relu" and seen.observed[op] >= 3 and not seen.dead[op]]
    if dead:
        yield Finding(
            f"{_names(dead)} gave only zeros in every run: its units are dead",
            dead[0].user_location,
            "a smaller learning rate, another initializer, or tf.nn.leaky_relu",
        )


def _savers(seen: Seen) -> Iterator[Finding]:
    variables = [v.op for v in seen.graph.get_collection("variables") if hasattr(v, "op")]
    for save in (op for op in seen.graph.ops if op.type in _SAVES):
        later = [op for op in variables if op.id > save.id]
        if later:
            yield Finding(
                f"a saver was made before {_count(later, 'variable')}, not saved by it: {_names(later)}",
                save.user_location,
                "make the tf.train.Saver after the last variable",
            )


def _queues(seen: Seen) -> Iterator[Finding]:
    for op in seen.ran:
        if "Queue" in op.type and op.attrs.get("capacity", 0) == -1:
            yield Finding(
                f"the queue {op.name!r} has no bound: a producer faster than its consumer fills the memory",
                op.user_location,
                "give it a capacity",
            )


def _recompiling(seen: Seen) -> Iterator[Finding]:
    for elements, shapes in seen.shapes.items():
        if len(shapes) > _MANY_SHAPES:
            yield Finding(
                f"a run of {_names(elements)} was fed {len(shapes)} combinations of shapes: each is planned, "
                "and compiled, anew",
                getattr(elements[0], "op", elements[0]).user_location if elements else "",
                "pad the feeds to a few shapes, or drop the last, smaller batch",
            )


def _operations(items: Any) -> list[Any]:
    return [getattr(item, "op", item) for item in items]


def _sources(op: Any) -> list[Any]:
    """The variables that an operation changes."""
    return [t.op for t in op.inputs if t.dtype.is_ref_dtype or t.dtype.name == "resource"][:1]


def _count(items: list[Any], what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _names(items: Any) -> str:
    names = list(dict.fromkeys(item.name for item in items))
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
