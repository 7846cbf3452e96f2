"""Input pipelines of tf.data: pictures (decode, crop, flip, batch), texts (lines, split, lookup, bucket) and
examples (records with features of any length).

python benchmarks/input.py [MODULE [NAME ...]]
"""

import os
import shutil
import sys
import tempfile

import measure
import numpy as np

RNG = np.random.RandomState(0)


def one_shot(tf, data):
    """The next element of a dataset."""
    make = getattr(tf.data, "make_one_shot_iterator", None)
    return (make(data) if make else data.make_one_shot_iterator()).get_next()


def pictures(tf, folder, count=256, size=160, crop=128, batch=32):
    """JPEG files of 160 x 160, decoded, cropped at random to 128 x 128, flipped, in batches of 32."""
    rows = np.linspace(0, 255, size)
    names = []
    with tf.Graph().as_default(), tf.Session() as sess:
        pixels = tf.placeholder(tf.uint8, [None, None, 3])
        encoded = tf.image.encode_jpeg(pixels)
        for i in range(count):
            shades = rows[:, None, None] * RNG.rand(1, 1, 3) + rows[None, :, None] * RNG.rand(1, 1, 3)
            noise = RNG.randint(0, 40, [size, size, 3])
            names.append(os.path.join(folder, f"{i}.jpg"))
            with open(names[-1], "wb") as file:
                file.write(sess.run(encoded, {pixels: np.clip(shades / 2 + noise, 0, 255).astype(np.uint8)}))

    def prepare(name):
        picture = tf.image.decode_jpeg(tf.read_file(name), channels=3)
        picture = tf.random_crop(picture, [crop, crop, 3], seed=1)
        picture = tf.image.random_flip_left_right(picture, seed=2)
        return tf.cast(picture, tf.float32) / 127.5 - 1.0

    data = tf.data.Dataset.from_tensor_slices(names).shuffle(count, seed=3).repeat()
    data = data.map(prepare, num_parallel_calls=2).batch(batch).prefetch(2)
    run("pictures", tf, one_shot(tf, data))


def texts(tf, folder, count=20000, words=5000, batch=32):
    """Lines of 3 to 40 words, split, looked up in a table of 5000, in batches of 32 of like length."""
    vocabulary = [f"word{i}" for i in range(words)]
    lines = [" ".join(vocabulary[k] for k in RNG.randint(0, words, RNG.randint(3, 41))) for _ in range(count)]
    path = os.path.join(folder, "lines.txt")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    table = tf.contrib.lookup.index_table_from_tensor(vocabulary, num_oov_buckets=1)
    data = tf.data.TextLineDataset(path).shuffle(1000, seed=1).repeat()
    data = data.map(lambda line: table.lookup(tf.string_split([line]).values), num_parallel_calls=2)
    data = data.apply(
        tf.data.experimental.bucket_by_sequence_length(
            lambda ids: tf.size(ids), [10, 20, 30], [batch] * 4, padded_shapes=[None]
        )
    ).prefetch(2)
    iterator = data.make_initializable_iterator()
    run("texts", tf, iterator.get_next(), [tf.tables_initializer(), iterator.initializer])


def examples(tf, folder, count=8000, batch=64):
    """Records of 3 to 29 numbers, some words and 13 floats each, parsed in batches of 64."""
    path = os.path.join(folder, "records")
    kinds = {"ids": tf.io.VarLenFeature(tf.int64), "word": tf.io.FixedLenFeature([], tf.string)}
    kinds.update({f"x{k}": tf.io.FixedLenFeature([], tf.float32) for k in range(13)})
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(count):
            ids = [int(i) for i in RNG.randint(0, 30000, RNG.randint(3, 30))]
            features = {"ids": tf.train.Feature(int64_list=tf.train.Int64List(value=ids))}
            word = tf.train.BytesList(value=[b"w" * int(RNG.randint(3, 20))])
            features["word"] = tf.train.Feature(bytes_list=word)
            for k in range(13):
                number = tf.train.FloatList(value=[RNG.randn()])
                features[f"x{k}"] = tf.train.Feature(float_list=number)
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    data = tf.data.TFRecordDataset(path).shuffle(500, seed=1).repeat().batch(batch)
    data = data.map(lambda rows: tf.io.parse_example(rows, kinds)).prefetch(2)
    run("examples", tf, one_shot(tf, data))


def run(name, tf, fetches, first=()):
    """Reports the first batch and a warm one."""
    with tf.Session() as sess:
        for op in first:
            sess.run(op)
        seconds = measure.timed(lambda: sess.run(fetches))
        measure.report(name, first=seconds, step_us=measure.warm(lambda: sess.run(fetches), 4.0) * 1e6)


PROGRAMS = {program.__name__: program for program in (pictures, texts, examples)}

if __name__ == "__main__":
    tf, _ = measure.load()
    for name in sys.argv[2:] or PROGRAMS:
        folder = tempfile.mkdtemp()
        try:
            with tf.Graph().as_default():
                PROGRAMS[name](tf, folder)
        finally:
            shutil.rmtree(folder)
