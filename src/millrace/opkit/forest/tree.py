"""One decision tree: tests inside, counts or means at its leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.opkit.forest.examples import Examples
from millrace.opkit.forest.settings import DENSE, REGRESSION, SPARSE, ForestSettings

_MATCHES = "type.googleapis.com/tensorflow.decision_trees.MatchingValuesTest"


@dataclass(frozen=True)
class Split:
    """A test of one feature.

    Attributes:
      feature: its number.
      value: what it is compared with.
      kind: 0 where smaller or equal values go left, 1 where only smaller ones do, 2 where equal ones do.
    """

    feature: int
    value: float
    kind: int


AT_MOST, BELOW, EQUAL = 0, 1, 2


def goes_left(values: np.ndarray, bounds: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Whether values pass tests; all arrays broadcast."""
    return np.where(
        kinds == AT_MOST, values <= bounds, np.where(kinds == BELOW, values < bounds, values == bounds)
    )


class DecisionTree:
    """A tree that starts as one leaf and grows by splitting leaves.

    `settings` is None until the tree is created.
    """

    feature: np.ndarray  # of each node's test
    bound: np.ndarray
    kind: np.ndarray
    children: np.ndarray  # [nodes, 2], 0 at leaves
    leaves: np.ndarray  # [nodes, outputs], 0 inside

    def __init__(self) -> None:
        self.settings: ForestSettings | None = None
        self._size = 0

    def start(self, settings: ForestSettings, config: bytes) -> None:
        """Makes the tree that `config` describes, a serialized `Model`; one leaf where it is empty."""
        nodes = protos.Model.FromString(config).decision_tree.nodes
        self.settings, self._size = settings, 0
        self._reserve(64)
        if not nodes:
            self._add_leaf(np.zeros(settings.outputs, np.float32))
        for node in nodes:
            self._read(node)

    def _reserve(self, rows: int) -> None:
        """Makes room for at least so many nodes, keeping those that there are."""
        old, width = self._size, self.settings.outputs if self.settings else 0
        for name, shape, dtype in (
            ("feature", (rows,), np.int32),
            ("bound", (rows,), np.float32),
            ("kind", (rows,), np.int8),
            ("children", (rows, 2), np.int32),
            ("leaves", (rows, width), np.float32),
        ):
            fresh = np.zeros(shape, dtype)
            if old:
                fresh[:old] = getattr(self, name)[:old]
            setattr(self, name, fresh)

    @property
    def size(self) -> int:
        """How many nodes there are, leaves included."""
        return self._size

    def is_leaf(self, node: int) -> bool:
        """Whether a node has no children."""
        return not self.children[node, 0]

    def _add_leaf(self, values: np.ndarray) -> int:
        if self._size == len(self.feature):
            self._reserve(2 * self._size)
        self.leaves[self._size] = values
        self._size += 1
        return self._size - 1

    def split(self, node: int, split: Split, left: np.ndarray, right: np.ndarray) -> tuple[int, int]:
        """Gives a leaf two children that start with these values; returns their numbers."""
        children = self._add_leaf(left), self._add_leaf(right)
        self._test(node, split, children)
        return children

    def _test(self, node: int, split: Split, children: tuple[int, int]) -> None:
        self.feature[node], self.bound[node], self.kind[node] = split.feature, split.value, split.kind
        self.children[node] = children
        self.leaves[node] = 0

    def leaves_of(self, examples: Examples) -> np.ndarray:
        """The leaf that each example reaches, int32 `[n]`."""
        at = np.zeros(examples.count, np.int32)
        rows = np.arange(examples.count)
        while True:
            rows = rows[self.children[at[rows], 0] > 0]
            if not len(rows):
                return at
            here = at[rows]
            values = examples.take(rows, self.feature[here])
            left = goes_left(values, self.bound[here], self.kind[here])
            at[rows] = self.children[here, np.where(left, 0, 1)]

    def path(self, examples: Examples, row: int) -> bytes:
        """The nodes that one example passes, as a serialized `TreePath`."""
        message, node = protos.TreePath(), 0
        while True:
            message.nodes_visited.append(self._message(node))
            if self.is_leaf(node):
                return message.SerializeToString()
            values = examples.take(np.array([row]), self.feature[node : node + 1])
            left = goes_left(values, self.bound[node], self.kind[node])[0]
            node = int(self.children[node, 0 if left else 1])

    def count(self, leaf_ids: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        """Adds examples to the counts of their leaves; the means of a regression only change with a split."""
        assert self.settings is not None
        if not self.settings.regression:
            np.add.at(self.leaves, (leaf_ids, labels), weights)

    def predictions(self, leaf_ids: np.ndarray) -> np.ndarray:
        """Probabilities of classes, or means, float32 `[n, outputs]`; an empty leaf gives zeros."""
        assert self.settings is not None
        found = self.leaves[leaf_ids]
        if self.settings.regression:
            return found
        sums = found.sum(axis=1, keepdims=True, dtype=np.float32)
        return np.divide(found, sums, out=np.zeros_like(found), where=sums > 0)

    def usage(self) -> np.ndarray:
        """How many tests there are of each feature, int32."""
        assert self.settings is not None
        inner = self.children[: self._size, 0] > 0
        return np.bincount(self.feature[: self._size][inner], minlength=self.settings.features).astype(
            np.int32
        )

    # ---------------------------------------------------------------- messages

    def serialized(self) -> bytes:
        """The whole tree as a serialized `Model`."""
        model = protos.Model()
        model.decision_tree.SetInParent()
        model.decision_tree.nodes.extend(self._message(node) for node in range(self._size))
        return model.SerializeToString()

    def _message(self, node: int) -> Any:
        assert self.settings is not None
        message = protos.TreeNode()
        if node:
            message.node_id.value = node
        if self.is_leaf(node):
            write_values(message.leaf, self.leaves[node], self.settings.leaf_kind)
            return message
        split = Split(int(self.feature[node]), float(self.bound[node]), int(self.kind[node]))
        write_split(message.binary_node, split)
        message.binary_node.left_child_id.value = int(self.children[node, 0])
        message.binary_node.right_child_id.value = int(self.children[node, 1])
        return message

    def _read(self, message: Any) -> None:
        node = self._add_leaf(read_values(message.leaf, self.leaves.shape[1]))
        if message.HasField("binary_node"):
            inner = message.binary_node
            self._test(node, read_split(inner), (inner.left_child_id.value, inner.right_child_id.value))


def write_values(message: Any, values: np.ndarray, kind: int) -> None:
    """Fills a `Leaf`, or another message with `vector` and `sparse_vector`, with counts or means."""
    held = np.count_nonzero(values)
    dense = kind in (DENSE, REGRESSION) or (kind != SPARSE and 2 * held > len(values))
    if dense:
        message.vector.SetInParent()
        message.vector.value.extend(_value(v) for v in values.tolist())
        return
    message.sparse_vector.SetInParent()
    for place in np.flatnonzero(values).tolist():
        message.sparse_vector.sparse_value[place].float_value = values[place]


def _value(number: float) -> Any:
    return protos.Value(float_value=number)


def read_values(message: Any, width: int) -> np.ndarray:
    """The counts or means that `write_values` wrote, float32 `[width]`."""
    values = np.zeros(width, np.float32)
    if message.HasField("sparse_vector"):
        for place, value in message.sparse_vector.sparse_value.items():
            values[place] = value.float_value
    else:
        given = [v.float_value for v in message.vector.value][:width]
        values[: len(given)] = given
    return values


def write_split(message: Any, split: Split) -> None:
    """Fills a `BinaryNode` with a test."""
    if split.kind == EQUAL:
        test = protos.MatchingValuesTest()
        test.feature_id.id.value = str(split.feature)
        test.value.add().float_value = split.value
        message.custom_left_child_test.type_url = _MATCHES
        message.custom_left_child_test.value = test.SerializeToString()
        return
    test = message.inequality_left_child_test
    test.feature_id.id.value = str(split.feature)
    test.threshold.float_value = split.value
    test.type = split.kind


def read_split(message: Any) -> Split:
    """The test of a `BinaryNode`."""
    if message.HasField("custom_left_child_test"):
        test = protos.MatchingValuesTest.FromString(message.custom_left_child_test.value)
        return Split(int(test.feature_id.id.value), test.value[0].float_value, EQUAL)
    test = message.inequality_left_child_test
    return Split(
        int(test.feature_id.id.value), test.threshold.float_value, BELOW if test.type == 1 else AT_MOST
    )
