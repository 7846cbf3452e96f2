"""How many replicas a program is split into."""

import pytest

from millrace.contributed.tpu.shards import get_tpu_context, tpu_shard_context


def test_the_context_of_replicas():
    assert get_tpu_context().number_of_shards is None
    with tpu_shard_context(3):
        assert get_tpu_context().number_of_shards == 3
        with pytest.raises(NotImplementedError), tpu_shard_context(2):
            pass
    assert get_tpu_context().number_of_shards is None
