"""Iterators: several devices, saving, threads, interruption."""

import signal
import threading
import time

import numpy as np
import pytest

import millrace as tf
from millrace.datasets.multi_device import MultiDeviceIterator

D = tf.data.Dataset
X = tf.data.experimental


@pytest.fixture(autouse=True)
def _graph():
    with tf.Graph().as_default():
        yield


def test_elements_are_dealt_out_to_devices():
    iterator = MultiDeviceIterator(D.range(5), ["/cpu:0", "/cpu:1"])
    a, b = iterator.get_next()
    with tf.Session() as sess:
        sess.run(iterator.initializer)
        assert sess.run([a, b]) == [0, 1]
        assert sess.run(b) == 3
        assert sess.run(a) == 2
        assert sess.run(a) == 4
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(b)
        sess.run(iterator.initializer)
        assert sess.run(a) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.range(6).shuffle(4, seed=1).repeat(2).batch(2),
        lambda: D.range(4).flat_map(lambda x: D.range(x)),
        lambda: D.range(5).interleave(lambda x: D.range(x), 2, 2).prefetch(2),
        lambda: D.range(9).apply(X.group_by_window(lambda x: x % 2, lambda k, w: w.batch(2), 2)),
        lambda: D.from_tensor_slices(["a", "b", "c"]).cache().repeat(2),
        lambda: D.range(8).window(3, 1).flat_map(lambda w: w.batch(3)),
        lambda: D.range(9).batch(3).apply(X.unbatch()).apply(X.scan(np.int64(0), lambda s, x: (s + x, s))),
    ],
)
def test_an_iterator_goes_on_where_it_was_saved(make, tmp_path):
    iterator = make().make_initializable_iterator()
    following = iterator.get_next()
    tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, X.make_saveable_from_iterator(iterator))
    saver = tf.train.Saver()

    def rest(sess):
        found = []
        while True:
            try:
                found.append(np.asarray(sess.run(following)).tolist())
            except tf.errors.OutOfRangeError:
                return found

    with tf.Session() as sess:
        sess.run(iterator.initializer)
        for _ in range(3):
            sess.run(following)
        path = saver.save(sess, str(tmp_path / "m"), write_meta_graph=False)
        expected = rest(sess)
        sess.run(iterator.initializer)
        saver.restore(sess, path)
        assert rest(sess) == expected


def test_a_stuck_pipeline_can_be_interrupted():
    release = threading.Event()

    def stuck(x):
        release.wait(100)
        return x

    dataset = D.range(3).map(lambda x: tf.py_func(stuck, [x], tf.int64)).prefetch(1)
    following = dataset.make_one_shot_iterator().get_next()
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a worker of xdist ignores the signal
    with tf.Session() as sess:
        timer.start()
        start = time.monotonic()
        try:
            with pytest.raises(KeyboardInterrupt):
                sess.run(following)
            assert time.monotonic() - start < 60
        finally:
            signal.signal(signal.SIGINT, before)
            release.set()


def test_threads_take_every_element_once():
    following = D.range(400).map(lambda x: x * 2).prefetch(3).make_one_shot_iterator().get_next()
    found, errors = [], []
    with tf.Session() as sess:

        def work():
            try:
                while True:
                    found.append(int(sess.run(following)))
            except tf.errors.OutOfRangeError:
                pass
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors
    assert sorted(found) == [2 * i for i in range(400)]


def test_two_iterators_in_one_run():
    a = D.range(5).prefetch(2).make_one_shot_iterator().get_next()
    b = D.range(10, 15).map(lambda x: x + 1).prefetch(2).make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        assert [sess.run([a, b]) for _ in range(5)] == [[i, 11 + i] for i in range(5)]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run([a, b])


def test_place_of_an_iterator_that_has_not_begun_is_saved(tmp_path):
    iterator = D.range(5).make_one_shot_iterator()
    saver = tf.train.Saver([X.make_saveable_from_iterator(iterator)])
    following = iterator.get_next()
    with tf.Session() as sess:
        path = saver.save(sess, str(tmp_path / "place"))
        assert isinstance(path, str)
        assert [sess.run(following) for _ in range(3)] == [0, 1, 2]
        saver.restore(sess, path)
        assert sess.run(following) == 0


def test_text_beside_what_waits_is_bytes():
    text = tf.placeholder(tf.string, [])
    following = D.range(5).make_one_shot_iterator().get_next()
    with tf.control_dependencies([following]):
        same = tf.identity(text)
    with tf.Session() as sess:
        assert sess.run([same, text], {text: "abc"}) == [b"abc", b"abc"]
        assert type(sess.run(same, {text: "abc"})) is bytes
