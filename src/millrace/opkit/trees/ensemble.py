"""Ensembles of decision trees over bucketized features, as a session holds them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from millrace.core.errors import FailedPreconditionError
from millrace.opkit.state.resource import Resource

Leaf = np.ndarray  # [k] float32, what an example that ends here adds to its logits
_NO_LEAF = np.zeros(1, np.float32)


@dataclass(slots=True)
class Split:
    """A question to one feature.

    Attributes:
      feature: which.
      threshold: the last bucket that goes to the left, or the only one where `is_equality`.
      left, right: nodes.
      dimension: of the feature.
      is_equality: ask for one bucket, not for a range.
      missing_goes_right: where examples go whose bucket is below 0.
    """

    feature: int
    threshold: int
    left: int
    right: int
    dimension: int = 0
    is_equality: bool = False
    missing_goes_right: bool = False


@dataclass(slots=True)
class Node:
    """A leaf, or a split with the leaf that it was.

    Attributes:
      leaf: what it adds; None for a split.
      split: its question; None for a leaf.
      gain: what the split gained; None for a leaf.
      original: the leaf before the split, where there was more than an empty root.
    """

    leaf: Leaf | None = None
    split: Split | None = None
    gain: float | None = None
    original: Leaf | None = None


@dataclass(slots=True)
class Tree:
    """Nodes, of which the first is the root.

    Attributes:
      nodes: in the order in which they grew.
      weight: what the leaves are multiplied by.
      layers: how many have grown.
      is_finished: no layer grows any more.
      pruned: for each node before the pruning, which node it is now and what that changes; empty without.
    """

    nodes: list[Node]
    weight: float = 1.0
    layers: int = 0
    is_finished: bool = False
    pruned: list[tuple[int, Leaf]] = field(default_factory=list)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The splits as arrays: feature (-1 for a leaf), threshold, dimension, left, right, equality, and
        where missing values go.
        """
        rows = [
            (s.feature, s.threshold, s.dimension, s.left, s.right, s.is_equality, s.missing_goes_right)
            if (s := node.split)
            else (-1, 0, 0, 0, 0, 0, 0)
            for node in self.nodes
        ]
        return tuple(np.array(rows, np.int64).T)

    def leaves(self, width: int) -> np.ndarray:
        """`[nodes, width]` what each node adds, splits what they added as leaves."""
        found = np.zeros((len(self.nodes), width), np.float32)
        for row, node in enumerate(self.nodes):
            leaf = node.leaf if node.leaf is not None else node.original
            if leaf is not None:
                found[row] = leaf
        return found


class Ensemble(Resource):
    """Trees, and how far they have grown.

    Attributes:
      trees: in the order in which they grew.
      stamp: counts the changes.
      trees_tried, layers_tried: how often a tree or a layer was begun, also where nothing grew.
      last_layer: the first node of the last layer, and the one behind its last; (0, 0) before the first.
      is_grown: whether it has been asked to grow.
      lock: held by whoever looks or changes.
    """

    kind = "BoostedTreesEnsembleResource"

    def __init__(self, attrs: Any = None) -> None:
        del attrs
        self.lock = threading.RLock()
        self._is_ready = False
        self.clear()

    def clear(self) -> None:
        """Forgets everything."""
        self.trees: list[Tree] = []
        self.stamp = 0
        self.trees_tried = self.layers_tried = 0
        self.last_layer: tuple[int, int] = (0, 0)
        self.is_grown = False

    @property
    def is_ready(self) -> bool:
        """Whether it has been created, not only named."""
        return self._is_ready

    def make_ready(self) -> None:
        """It has been created."""
        self._is_ready = True

    def check(self) -> Ensemble:
        """Itself, where it has been created.

        Raises:
          FailedPreconditionError: it has not.
        """
        if not self._is_ready:
            raise FailedPreconditionError(
                None, None, f"The tree ensemble is used before it is created. Received: {self.name}"
            )
        return self

    @property
    def finished(self) -> int:
        """How many trees are finished: all before the last, and perhaps that one."""
        count = len(self.trees)
        return count if not count or self.trees[-1].is_finished else count - 1

    def add_tree(self, leaf: Leaf | None = None) -> Tree:
        """A new tree of one leaf, an empty one by default."""
        tree = Tree([Node(leaf=_NO_LEAF if leaf is None else leaf)])
        self.trees.append(tree)
        return tree
