"""Elements of several datasets mixed at random or by choice, and the resampling of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.static import constant_value
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.datasets import nesting
from millrace.datasets.dataset import Dataset
from millrace.datasets.elements import attrs_of
from millrace.datasets.experimental import RandomDataset, scan, unbatch
from millrace.datasets.functions import wrapper
from millrace.datasets.specs import TensorSpec
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond


def directed(selector: Any, datasets: Sequence[Any]) -> Any:
    """Elements of `datasets` in the order in which `selector`, a dataset of int64 scalars, says.

    Raises:
      TypeError, ValueError: the datasets' elements are of different dtypes or nest differently.
    """
    first = datasets[0].element_spec
    for other in datasets[1:]:
        if nesting.flatten(other.output_types) != nesting.flatten(datasets[0].output_types):
            raise TypeError(
                f"Datasets to choose from must have the same types. Received: {datasets[0].output_types} and "
                f"{other.output_types}"
            )
        first = nesting.map_structure(
            lambda a, b: a.most_specific_compatible_type(b), first, other.element_spec
        )
    made = raw.DirectedInterleaveDataset(
        selector._variant_tensor, [d._variant_tensor for d in datasets], **attrs_of(first)
    )
    return datasets[0]._of(made, first, selector, *datasets)


_SEEN = 10  # elements of each class that an estimate begins with, as in TensorFlow


@public("data.experimental.choose_from_datasets", "contrib.data.choose_from_datasets")
def choose_from_datasets(datasets: Sequence[Any], choice_dataset: Any) -> Any:
    """Elements of `datasets`, in the order of `choice_dataset`.

    Args:
      datasets: whose elements nest alike.
      choice_dataset: of scalar int64: numbers of datasets.

    Raises:
      TypeError: the choices are of another kind.
    """
    if choice_dataset.element_spec != TensorSpec([], dtypes.int64):
        raise TypeError(
            "`choice_dataset` must be a dataset of scalar `tf.int64` tensors. Received: "
            f"{choice_dataset.element_spec}"
        )
    return directed(choice_dataset, list(datasets))


@public("data.experimental.sample_from_datasets", "contrib.data.sample_from_datasets")
def sample_from_datasets(datasets: Sequence[Any], weights: Any = None, seed: int | None = None) -> Any:
    """Elements of `datasets`, each from one chosen at random.

    Args:
      datasets: whose elements nest alike.
      weights: a probability for each, or a dataset of such vectors; default: all equal.
      seed: for the choices.

    Raises:
      ValueError: there is not one weight for each dataset.
      TypeError: the weights are of another kind.
    """
    many = list(datasets)
    if isinstance(weights, Dataset):
        logits = weights.map(lambda *p: raw.Log(raw.Pack(list(p)), name="logits"))
        return directed(_varying(logits, seed), many)
    if weights is None:
        fixed: Any = [[1.0] * len(many)]
    else:
        given = convert.convert_to_tensor(weights, name="weights")
        if given.dtype.base_dtype not in (dtypes.float32, dtypes.float64):
            raise TypeError(
                "`weights` must be convertible to a tensor of `tf.float32` or `tf.float64` elements. "
                f"Received: {given}"
            )
        if not shapes.compatible(given.dims, (len(many),)):
            raise ValueError(f"`weights` must be a vector of length `len(datasets)`. Received: {given.shape}")
        fixed = raw.ExpandDims(
            raw.Log(given, name="logits"), convert.to_tensor(0, dtypes.int32, "ExpandDims/dim")
        )
    if len(many) == 1:
        return many[0]

    def select_dataset_constant_logits(number: Any) -> Any:
        return raw.Squeeze(_chosen(fixed, number), squeeze_dims=[0, 1])

    return directed(_numbers(seed).map(select_dataset_constant_logits), many)


def _numbers(seed: int | None) -> Any:
    return RandomDataset(seed).batch(2)


def _chosen(logits: Any, seed: Any) -> Tensor:
    samples = convert.to_tensor(1, dtypes.int32, "StatelessMultinomial/num_samples")
    return raw.StatelessMultinomial(
        convert.convert_to_tensor(logits, name="StatelessMultinomial/logits"), samples, seed
    )


def _varying(logits: Any, seed: int | None) -> Any:
    """Choices whose probabilities a dataset gives, one vector for each."""

    def select_dataset_varying_logits(values: Any, number: Any) -> Any:
        return raw.Squeeze(_chosen(values, number), squeeze_dims=[0, 1])

    return Dataset.zip((logits, _numbers(seed))).map(select_dataset_varying_logits)


# --- resampling --------------------------------------------------------------------------------------------


@public("data.experimental.rejection_resample", "contrib.data.rejection_resample")
def rejection_resample(
    class_func: Callable[..., Any], target_dist: Any, initial_dist: Any = None, seed: int | None = None
) -> Callable[[Any], Any]:
    """Pairs of class and element, drawn so that classes come as often as `target_dist` says.

    Args:
      class_func: of an element to a scalar int32, its class.
      target_dist: `[classes]`, the frequencies wanted.
      initial_dist: `[classes]`, those of the input; default: estimated on the way.
      seed: for the draws.
    """

    def transform(dataset: Any) -> Any:
        target = convert.convert_to_tensor(target_dist, name="target_dist")
        classes = dataset.map(class_func)
        if initial_dist is not None:
            initial = convert.convert_to_tensor(initial_dist, name="initial_dist")
            accept, odds = _acceptance(initial, target)
            initials = Dataset.from_tensors(initial).repeat()
            accepts = Dataset.from_tensors(accept).repeat()
            odds_of = Dataset.from_tensors(odds).repeat()
        else:
            initials = _estimated(classes, _classes_in(target))
            both = initials.map(lambda found: _acceptance(found, target))
            accepts, odds_of = both.map(lambda a, _: a), both.map(lambda _, b: b)
        filtered = _filtered(dataset, accepts, initials, classes, seed)
        untouched = None if initial_dist is None else _static_chance(initial, target)
        if untouched == 0:
            return filtered
        original = Dataset.zip((classes, dataset))
        if untouched == 1:
            return original
        chances = odds_of.map(lambda p: raw.Pack([p, 1.0 - p]))
        return sample_from_datasets([original, filtered], chances, seed)

    return transform


def _classes_in(target: Tensor) -> int:
    count = None if target.dims is None else target.dims[0]
    if count is None:
        raise ValueError(
            f"rejection_resample: target_dist must have a static length. Received: {target.shape}"
        )
    return count


def _acceptance(initial: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The probability to keep an element of each class, and to take one without asking."""
    ratio = target / (initial + np.finfo(initial.dtype.np_dtype).tiny)
    most = raw.Max(ratio, convert.to_tensor([0], dtypes.int32, "Const"))
    least = raw.Min(ratio, convert.to_tensor([0], dtypes.int32, "Const"))
    return (ratio - least) / (most - least), least


def _static_chance(initial: Tensor, target: Tensor) -> float | None:
    """The probability to take an element without asking, where it is known before the run."""
    now, wanted = constant_value(initial), constant_value(target)
    if now is None or wanted is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.min(wanted / now))


def _estimated(classes: Any, count: int, group: int = 32) -> Any:
    """The frequencies of classes so far, for each element, updated every `group` elements."""
    start = raw.Fill([count], np.int64(_SEEN))

    def update(counts: Any, some: Any) -> Any:
        rows = raw.OneHot(some, count, np.int64(1), np.int64(0))
        after = raw.Add(counts, raw.Sum(rows, [0]))
        share = raw.Cast(
            raw.RealDiv(
                raw.Cast(after, DstT=dtypes.float64), raw.Cast(raw.Sum(after, [0]), DstT=dtypes.float64)
            ),
            DstT=dtypes.float32,
        )
        return after, raw.Tile(raw.ExpandDims(share, 0), [group, 1])

    return (
        classes.batch(group).apply(scan(start, wrapper(update, "update_estimate_and_tile"))).apply(unbatch())
    )


def _filtered(dataset: Any, accepts: Any, initials: Any, classes: Any, seed: int | None) -> Any:
    """Pairs of class and element, kept with the probability of their class."""

    def warned(accept: Any, initial: Any) -> Any:
        rejected = raw.Sum((1.0 - accept) * initial, [0])
        return cond(rejected < 0.5, lambda: accept, lambda: _warning(accept, rejected, initial))

    def gather_and_copy(kind: Any, probabilities: Any, element: Any) -> Any:
        return kind, raw.GatherV2(probabilities, kind, 0), element

    accepts = Dataset.zip((accepts, initials)).map(wrapper(warned, "maybe_warn_on_large_rejection"))
    triples = Dataset.zip((classes, accepts, dataset)).map(wrapper(gather_and_copy, "_gather_and_copy"))

    def keep(_: Any, probability: Any, element: Any) -> Any:
        from millrace.ops.random.draws import random_uniform

        return raw.Less(random_uniform([], seed=seed), probability)

    pairs = triples.filter(wrapper(keep, "<lambda>")).map(lambda kind, _, element: (kind, element))
    return pairs.prefetch(2)


def _warning(accept: Any, rejected: Any, initial: Any) -> Any:
    message = "Proportion of examples rejected by sampler is high: "
    return raw.Print(accept, [rejected, initial, accept], message=message, first_n=10)
