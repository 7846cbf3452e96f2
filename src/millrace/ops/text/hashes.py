"""Hashes of strings: numbers of buckets. On the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core.public import public
from millrace.graph.attrs import integer, ints
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged
from millrace.opkit.text import hashing
from millrace.opkit.text.pieces import strings


@declare(
    "StringToHashBucket(string_tensor: string) -> output: int64", num_buckets=integer(minimum=1), host=True
)
class StringToHashBucket:
    """Bucket numbers from a Murmur hash."""

    shape = merged

    def kernel(xp, string_tensor, num_buckets):
        return hashing.to_buckets(hashing.murmur64(strings(string_tensor)), num_buckets)

    grad = NOT_DIFFERENTIABLE


@public("string_to_hash_bucket", "strings.to_hash_bucket")
@elementwise("unary")
def string_to_hash_bucket(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None, input: Any = None
) -> Tensor:
    """Hashes strings to bucket numbers, by the oldest of the three functions.

    Args:
      string_tensor: `[...]` strings.
      num_buckets: how many buckets.
      name: op name; default "StringToHashBucket".
      input: another name of `string_tensor`.

    Returns:
      int64 in `[0, num_buckets)`, same shape.
    """
    x = input if string_tensor is None else string_tensor
    return apply(StringToHashBucket, x, num_buckets=num_buckets, name=name)


@declare("StringToHashBucketFast(input: string) -> output: int64", num_buckets=integer(minimum=1), host=True)
class StringToHashBucketFast:
    """Bucket numbers from FarmHash Fingerprint64."""

    shape = merged

    def kernel(xp, input, num_buckets):
        if num_buckets == 1:  # as of words that a table does not know
            return np.zeros(np.shape(input), np.int64)
        return hashing.to_buckets(hashing.fingerprint64(strings(input)), num_buckets)

    grad = NOT_DIFFERENTIABLE


@public("string_to_hash_bucket_fast", "strings.to_hash_bucket_fast")
@elementwise("unary")
def string_to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """Hashes strings to bucket numbers, quickly and always alike.

    Args:
      input: `[...]` strings.
      num_buckets: how many buckets.
      name: op name; default "StringToHashBucketFast".

    Returns:
      int64 in `[0, num_buckets)`, same shape.
    """
    return apply(StringToHashBucketFast, input, num_buckets=num_buckets, name=name)


@declare(
    "StringToHashBucketStrong(input: string) -> output: int64",
    num_buckets=integer(minimum=1),
    key=ints(),
    host=True,
)
class StringToHashBucketStrong:
    """Bucket numbers from SipHash-2-4 under a key."""

    def shape(input, key):
        if len(key) != 2:
            raise ValueError(f"key must have 2 elements. Received: {list(key)}")
        return input

    def kernel(xp, input, num_buckets, key):
        return hashing.to_buckets(hashing.siphash24(strings(input), key), num_buckets)

    grad = NOT_DIFFERENTIABLE


@public("string_to_hash_bucket_strong", "strings.to_hash_bucket_strong")
@elementwise("unary")
def string_to_hash_bucket_strong(input: Any, num_buckets: int, key: Any, name: str | None = None) -> Tensor:
    """Hashes strings to bucket numbers that nobody can steer who lacks the key.

    Args:
      input: `[...]` strings.
      num_buckets: how many buckets.
      key: two integers.
      name: op name; default "StringToHashBucketStrong".

    Returns:
      int64 in `[0, num_buckets)`, same shape.
    """
    return apply(StringToHashBucketStrong, input, num_buckets=num_buckets, key=key, name=name)
