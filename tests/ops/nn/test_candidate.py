"""Candidate samplers as operations: shapes, seeds, state in the session, refusals."""

import numpy as np
import pytest

import millrace as tf

TRUE = np.array([[0, 3], [5, 1], [2, 2]])


def test_log_uniform_as_recorded():
    # TensorFlow 1.15: classes [3, 8, 0] for seed 4.
    with tf.Graph().as_default(), tf.Session() as sess:
        drawn = tf.nn.log_uniform_candidate_sampler(TRUE, 2, 3, True, 9, seed=4)
        assert [t.shape.as_list() for t in drawn] == [[3], [3, 2], [3]]
        classes, true_count, sampled_count = sess.run(drawn)
    assert classes.tolist() == [3, 8, 0]
    np.testing.assert_allclose(sampled_count, [0.29073006, 0.13727248, 0.90309], rtol=1e-6)
    np.testing.assert_allclose(true_count[0], [0.90309, 0.29073006], rtol=1e-6)


def test_learned_counts_live_in_the_session():
    with tf.Graph().as_default():
        drawn = tf.nn.learned_unigram_candidate_sampler([[7]], 1, 1000, False, 9, seed=1)
        with tf.Session() as sess:
            first = sess.run(drawn)
            for _ in range(50):
                last = sess.run(drawn)
        with tf.Session() as sess:
            again = sess.run(drawn)
    assert first.true_expected_count.item() == pytest.approx(1000 / 9)
    assert last.true_expected_count.item() == pytest.approx(1000 * 51 / 59)
    assert np.mean(last.sampled_candidates == 7) > 0.8
    np.testing.assert_array_equal(first.sampled_candidates, again.sampled_candidates)


def test_weights_from_a_file_and_in_shards(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text("a,1\nb,2.5\nc,.5\n")
    with tf.Graph().as_default(), tf.Session() as sess:
        from_file = tf.nn.fixed_unigram_candidate_sampler(
            [[2]], 1, 4, False, 4, str(path), num_reserved_ids=1, seed=1
        )
        given = tf.nn.fixed_unigram_candidate_sampler(
            [[2]], 1, 4, False, 4, unigrams=[0.0, 1.0, 2.5, 0.5], seed=1
        )
        shard = tf.nn.fixed_unigram_candidate_sampler(
            [[1]], 1, 4, False, 2, unigrams=[1.0, 2.0, 5.0, 6.0], num_shards=2, shard=1, seed=1
        )
        a, b, c = sess.run([from_file, given, shard])
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
    assert c.true_expected_count.item() == pytest.approx(4 * 6 / 8)


def test_all_candidates_and_accidental_hits():
    with tf.Graph().as_default(), tf.Session() as sess:
        every = sess.run(tf.nn.all_candidate_sampler(TRUE, 2, 4, True))
        assert every.sampled_candidates.tolist() == [0, 1, 2, 3]
        assert every.true_expected_count.tolist() == [[1, 1]] * 3
        hits = sess.run(tf.nn.compute_accidental_hits(TRUE, [2, 3, 7, 2, 0], 2))
    assert [hits.indices.tolist(), hits.ids.tolist()] == [[0, 0, 2, 2], [4, 1, 3, 3]]
    assert (hits.weights == np.finfo(np.float32).min).all() and hits.weights.dtype == np.float32


@pytest.mark.parametrize(
    ("message", "draw"),
    [
        ("smaller range", lambda: tf.nn.uniform_candidate_sampler(TRUE, 2, 10, True, 9)),
        ("num_true columns", lambda: tf.nn.uniform_candidate_sampler(TRUE, 3, 1, True, 9)),
        ("range_max", lambda: tf.nn.fixed_unigram_candidate_sampler(TRUE, 2, 1, True, 9, unigrams=[1.0])),
        ("exactly one", lambda: tf.nn.fixed_unigram_candidate_sampler(TRUE, 2, 1, True, 9)),
    ],
)
def test_refused_while_running(message, draw):
    with tf.Graph().as_default(), tf.Session() as sess:
        drawn = draw()
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            sess.run(drawn)
