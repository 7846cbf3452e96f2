"""Sampling of classes for losses that look at few of many classes: `tf.nn.*_candidate_sampler`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core.public import public
from millrace.graph.attrs import flag, integer, number, numbers, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.random import candidates
from millrace.opkit.random.philox import skip
from millrace.opkit.random.rules import invalid
from millrace.opkit.random.seeds import generator, seed_attrs
from millrace.opkit.rules.shape_rules import with_rank

_COUNTS: dict[str, Any] = {
    "num_true": integer(minimum=1),
    "num_sampled": integer(minimum=1),
    "unique": flag(),
}
_SEEDS: dict[str, Any] = {"seed": integer(0), "seed2": integer(0)}


def _dims(true_classes: Any, num_true: int, num_sampled: int) -> list[Any]:
    batch = with_rank(true_classes, 2, "true_classes")[0]  # type: ignore[index]
    return [(num_sampled,), (batch, num_true), (num_sampled,)]


def _sample(
    sampler: candidates.Sampler,
    state: np.ndarray,
    true_classes: np.ndarray,
    num_true: int,
    num_sampled: int,
    unique: bool,
) -> tuple[Any, ...]:
    if true_classes.ndim != 2 or true_classes.shape[1] != num_true:
        raise invalid(
            f"true_classes must have num_true columns. "
            f"Received: num_true {num_true}, true_classes of shape {list(true_classes.shape)}"
        )
    if unique and num_sampled > sampler.size:
        raise invalid(
            f"num_sampled different classes cannot be picked from a smaller range. "
            f"Received: num_sampled {num_sampled}, range {sampler.size}"
        )
    moved = skip(np, state, (num_sampled * candidates.WORDS_PER_SAMPLE + 3) // 4)
    return *candidates.sample(sampler, state, num_sampled, unique, true_classes), moved


@declare("UniformCandidateSampler(true_classes: int64) -> "
    "sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32",
    state=generator, host=True, **_COUNTS, range_max=integer(minimum=1), **_SEEDS)  # fmt: skip
class UniformCandidateSampler:
    """Classes from a uniform distribution."""

    def shape(true_classes, num_true, num_sampled):
        return _dims(true_classes, num_true, num_sampled)

    def kernel(xp, state, true_classes, num_true, num_sampled, unique, range_max):
        sampler = candidates.UniformSampler(range_max)
        return _sample(sampler, state, true_classes, num_true, num_sampled, unique)

    grad = NOT_DIFFERENTIABLE


@declare("LogUniformCandidateSampler(true_classes: int64) -> "
    "sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32",
    state=generator, host=True, **_COUNTS, range_max=integer(minimum=1), **_SEEDS)  # fmt: skip
class LogUniformCandidateSampler:
    """Classes from an approximately log-uniform (Zipf) distribution."""

    def shape(true_classes, num_true, num_sampled):
        return _dims(true_classes, num_true, num_sampled)

    def kernel(xp, state, true_classes, num_true, num_sampled, unique, range_max):
        sampler = candidates.LogUniformSampler(range_max)
        return _sample(sampler, state, true_classes, num_true, num_sampled, unique)

    grad = NOT_DIFFERENTIABLE


def _learning_state(attrs: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    # The generator, and a weight for each class: one more than how often it was a true class.
    return generator(attrs), np.ones(attrs["range_max"], np.int64)


def _learn(state, true_classes, num_true, num_sampled, unique) -> tuple[Any, ...]:
    moving, weights = state
    sampler = candidates.CountingSampler(weights)
    *results, moved = _sample(sampler, moving, true_classes, num_true, num_sampled, unique)
    seen = true_classes[(true_classes >= 0) & (true_classes < weights.size)]
    return *results, (moved, weights + np.bincount(seen, minlength=weights.size))


@declare("LearnedUnigramCandidateSampler(true_classes: int64) -> "
    "sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32",
    state=_learning_state, host=True, **_COUNTS, range_max=integer(minimum=1), **_SEEDS)  # fmt: skip
class LearnedUnigramCandidateSampler:
    """Classes from the distribution of the true classes seen so far in the session."""

    def shape(true_classes, num_true, num_sampled):
        return _dims(true_classes, num_true, num_sampled)

    def kernel(xp, state, true_classes, num_true, num_sampled, unique):
        return _learn(state, true_classes, num_true, num_sampled, unique)

    grad = NOT_DIFFERENTIABLE


@declare("ThreadUnsafeUnigramCandidateSampler(true_classes: int64) -> "
    "sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32",
    state=_learning_state, host=True, **_COUNTS, range_max=integer(minimum=1), **_SEEDS)  # fmt: skip
class ThreadUnsafeUnigramCandidateSampler:
    """The same as `LearnedUnigramCandidateSampler`: here a step is always safe."""

    def shape(true_classes, num_true, num_sampled):
        return _dims(true_classes, num_true, num_sampled)

    def kernel(xp, state, true_classes, num_true, num_sampled, unique):
        return _learn(state, true_classes, num_true, num_sampled, unique)

    grad = NOT_DIFFERENTIABLE


@declare("FixedUnigramCandidateSampler(true_classes: int64) -> "
    "sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32",
    state=generator, host=True, **_COUNTS, range_max=integer(minimum=1), vocab_file=text(""),
    distortion=number(1.0), num_reserved_ids=integer(0), num_shards=integer(1, minimum=1),
    shard=integer(0, minimum=0), unigrams=numbers(()), **_SEEDS)  # fmt: skip
class FixedUnigramCandidateSampler:
    """Classes from a distribution given as a list of weights or as a file."""

    def shape(true_classes, num_true, num_sampled):
        return _dims(true_classes, num_true, num_sampled)

    def kernel(xp, state, true_classes, num_true, num_sampled, unique, range_max, vocab_file, distortion,
               num_reserved_ids, num_shards, shard, unigrams):  # fmt: skip
        if bool(vocab_file) == bool(unigrams):
            raise invalid(
                f"FixedUnigramCandidateSampler: exactly one of 'vocab_file' and 'unigrams' must be given. "
                f"Received: vocab_file {vocab_file!r}, {len(unigrams)} unigrams"
            )
        given = _weights_in(vocab_file) if vocab_file else unigrams
        weights = [0.0] * num_reserved_ids + list(np.array(given, np.float32) ** np.float32(distortion))
        weights = weights[shard::num_shards]
        if len(weights) != range_max:
            raise invalid(
                f"FixedUnigramCandidateSampler: there must be 'range_max' weights, reserved ids included. "
                f"Received: {len(weights)} weights, range_max {range_max}"
            )
        return _sample(candidates.FixedSampler(weights), state, true_classes, num_true, num_sampled, unique)

    grad = NOT_DIFFERENTIABLE


def _weights_in(path: str) -> list[float]:
    # The last column of each line of a CSV file.
    with open(path, newline="") as file:
        return [float(row[-1]) for row in csv.reader(file) if row]


@declare(
    "AllCandidateSampler(true_classes: int64) -> "
    "sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32",
    **_COUNTS,
    **_SEEDS,
)
class AllCandidateSampler:
    """Every class once, for tests."""

    def shape(true_classes, num_true, num_sampled):
        return _dims(true_classes, num_true, num_sampled)

    def kernel(xp, true_classes, num_sampled):
        ones = xp.ones((num_sampled,), np.float32)
        return xp.arange(num_sampled, dtype=np.int64), xp.ones(true_classes.shape, np.float32), ones

    grad = NOT_DIFFERENTIABLE


@declare("ComputeAccidentalHits(true_classes: int64, sampled_candidates: int64) "
    "-> indices: int32, ids: int64, weights: float32", host=True, num_true=integer(), **_SEEDS)  # fmt: skip
class ComputeAccidentalHits:
    """Where sampled classes are true classes: (row, place among the samples, the lowest float)."""

    def shape(true_classes, sampled_candidates):
        with_rank(true_classes, 2, "true_classes")
        with_rank(sampled_candidates, 1, "sampled_candidates")
        return [(None,), (None,), (None,)]

    def kernel(xp, true_classes, sampled_candidates, num_true):
        if true_classes.ndim != 2 or true_classes.shape[1] != num_true:
            raise invalid(
                f"ComputeAccidentalHits: true_classes must have {num_true} columns, as num_true says. "
                f"Received: shape {list(true_classes.shape)}"
            )
        place = {c: i for i, c in enumerate(sampled_candidates.tolist())}
        hits = [(i, place[c]) for i, row in enumerate(true_classes.tolist()) for c in row if c in place]
        found = np.array(hits, np.int64).reshape(-1, 2)
        weights = np.full(len(found), np.finfo(np.float32).min, np.float32)
        return found[:, 0].astype(np.int32), found[:, 1].copy(), weights

    grad = NOT_DIFFERENTIABLE


@public("nn.uniform_candidate_sampler", "random.uniform_candidate_sampler")
def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Samples classes from a uniform distribution.

    Args:
      true_classes: int64 `[batch, num_true]`.
      num_true: how many true classes an example has.
      num_sampled: how many classes to sample for the whole batch.
      unique: sample no class twice.
      range_max: how many classes there are.
      seed: the operation's seed, see `set_random_seed`.
      name: op name.

    Returns:
      A named tuple: sampled_candidates int64 `[num_sampled]`; how often to expect each true class among them,
      float32 `[batch, num_true]`; and each sampled class, float32 `[num_sampled]`.
    """
    return _named(
        UniformCandidateSampler, true_classes, num_true, num_sampled, unique, seed, name, range_max=range_max
    )


@public("nn.log_uniform_candidate_sampler", "random.log_uniform_candidate_sampler")
def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Samples classes, class k with probability log((k + 2) / (k + 1)) / log(range_max + 1).

    Arguments and results as for `uniform_candidate_sampler`; sort the classes by falling frequency.
    """
    return _named(
        LogUniformCandidateSampler,
        true_classes,
        num_true,
        num_sampled,
        unique,
        seed,
        name,
        range_max=range_max,
    )


@public("nn.learned_unigram_candidate_sampler", "random.learned_unigram_candidate_sampler")
def learned_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Samples classes as often as they were true classes so far in the session.

    Arguments and results as for `uniform_candidate_sampler`.
    """
    return _named(
        LearnedUnigramCandidateSampler,
        true_classes,
        num_true,
        num_sampled,
        unique,
        seed,
        name,
        range_max=range_max,
    )


@public("nn.fixed_unigram_candidate_sampler", "random.fixed_unigram_candidate_sampler")
def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Any = (),
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Samples classes by given weights.

    Args:
      true_classes: int64 `[batch, num_true]`.
      num_true: how many true classes an example has.
      num_sampled: how many classes to sample for the whole batch.
      unique: sample no class twice.
      range_max: how many classes there are, reserved ones included.
      vocab_file: a CSV file with a class on each line, the weight last.
      distortion: weights are raised to this power.
      num_reserved_ids: so many classes with weight 0 come first.
      num_shards: of the weights, take every `num_shards`-th,
      shard: counted from this one.
      unigrams: the weights; either these or `vocab_file` must be given.
      seed: the operation's seed, see `set_random_seed`.
      name: op name.

    Returns:
      As `uniform_candidate_sampler`.
    """
    return _named(
        FixedUnigramCandidateSampler,
        true_classes,
        num_true,
        num_sampled,
        unique,
        seed,
        name,
        range_max=range_max,
        vocab_file=vocab_file,
        distortion=distortion,
        num_reserved_ids=num_reserved_ids,
        num_shards=num_shards,
        shard=shard,
        unigrams=unigrams,
    )


@public("nn.all_candidate_sampler", "random.all_candidate_sampler")
def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Samples every class once. Arguments and results as for `uniform_candidate_sampler`."""
    return _named(AllCandidateSampler, true_classes, num_true, num_sampled, unique, seed, name)


def _named(opdef, true_classes, num_true, num_sampled, unique, seed, name, **attrs: Any) -> Any:
    counts = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique}
    return apply(opdef, true_classes, name=name, **counts, **attrs, **seed_attrs(seed))


@public("nn.compute_accidental_hits")
def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: Any,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Finds the sampled classes that are true classes, to take them out of a loss.

    Args:
      true_classes: int64 `[batch, num_true]`.
      sampled_candidates: int64 `[num_sampled]`.
      num_true: how many true classes an example has.
      seed: not needed for anything.
      name: op name.

    Returns:
      A named tuple of vectors of one length: indices (int32, the row), ids (int64, the place among the
      samples) and weights (float32, the lowest number there is).
    """
    return apply(
        ComputeAccidentalHits,
        true_classes,
        sampled_candidates,
        num_true=num_true,
        name=name,
        **seed_attrs(seed),
    )
