"""Maximum pools with indices against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import OpCase, OpSuite, floats

_X = floats(2, 5, 6, 3)
_ATTRS = dict(ksize=[1, 3, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
_IN_BATCH = oracle.first_maxima(_X, (3, 2), (2, 2), "SAME")
_IN_IMAGE = _IN_BATCH - (np.arange(2) * 90).reshape(2, 1, 1, 1)
_DY = floats(*_IN_BATCH.shape, seed=1)
_DX = oracle.max_pool_grad(_X, _DY, (3, 2), (2, 2), "SAME").astype(np.float32)


class TestArgmax(OpSuite):
    """The first maximum of each window, counted in the image or in the batch."""

    cases = (
        OpCase("MaxPoolWithArgmax", [_X], lambda x: [x.reshape(-1)[_IN_BATCH], _IN_IMAGE], **_ATTRS),
        OpCase(
            "MaxPoolWithArgmax",
            [_X],
            lambda x: [x.reshape(-1)[_IN_BATCH], _IN_BATCH.astype(np.int32)],
            Targmax=tf.int32,
            include_batch_in_index=True,
            **_ATTRS,
        ),
        OpCase("MaxPoolGradWithArgmax", [_X, _DY, _IN_IMAGE], lambda x, dy, i: _DX, wrt=(1,), **_ATTRS),
        OpCase(
            "MaxPoolGradWithArgmax",
            [_X, _DY, _IN_BATCH],
            lambda x, dy, i: _DX,
            wrt=(1,),
            include_batch_in_index=True,
            **_ATTRS,
        ),
        OpCase(
            "MaxPoolGradGradWithArgmax",
            [_X, _X, _IN_IMAGE],
            lambda x, dz, i: dz.reshape(-1)[_IN_BATCH],
            wrt=(1,),
            **_ATTRS,
        ),
    )


def test_the_public_function_takes_one_layout():
    with pytest.raises(ValueError, match="must be NHWC"):
        tf.nn.max_pool_with_argmax(tf.zeros([1, 4, 4, 1]), 2, 2, "SAME", data_format="NCHW")
