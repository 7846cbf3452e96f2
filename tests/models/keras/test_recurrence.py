"""`keras.backend.rnn` where several of its arguments meet."""

import numpy as np
import pytest

import millrace as tf

K = tf.keras.backend
_X = np.arange(16.0, dtype="f").reshape(2, 4, 2) / 10
_MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool)


def _run(**kwargs):
    with tf.Graph().as_default(), tf.Session() as sess:
        found = K.rnn(
            lambda x, states: (x + 0.5 * states[0], [x + 0.5 * states[0]]),
            tf.constant(_X),
            [tf.zeros([2, 2])],
            mask=tf.constant(_MASK),
            **kwargs,
        )
        return sess.run(found)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("zero", [False, True])
def test_a_loop_and_built_steps_agree_but_for_one_case(back, zero):
    looped = _run(go_backwards=back, zero_output_for_mask=zero)
    built = _run(go_backwards=back, zero_output_for_mask=zero, unroll=True)
    np.testing.assert_allclose(looped[0], built[0], rtol=1e-6)
    np.testing.assert_allclose(looped[2], built[2], rtol=1e-6)
    if not (back and zero):
        np.testing.assert_allclose(looped[1], built[1], rtol=1e-6)
        return
    # As in TensorFlow, the mask of the outputs is not turned round with them.
    plain = _run(go_backwards=True, unroll=True)[1]
    np.testing.assert_allclose(built[1], plain * _MASK[..., None], rtol=1e-6)
