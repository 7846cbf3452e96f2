"""Packages of TensorFlow 1.15 that cannot be had here: why, and what to use instead."""

from __future__ import annotations

# Namespace relative to `tf` -> (why it is not there, what to use).
INSTEAD: dict[str, tuple[str, str]] = {
    "contrib.bigtable": ("it speaks to a service of Google's cloud", "tf.data.Dataset.from_generator"),
    "contrib.cloud": ("it speaks to services of Google's cloud", "tf.data.Dataset.from_generator"),
    "contrib.ffmpeg": ("it starts the program ffmpeg", "tf.py_func around a reader of audio files"),
    "contrib.fused_conv": ("it is a CUDA binary", "tf.nn.conv2d; the compiler fuses what follows"),
    "contrib.gdr": ("it is a transport between machines", "tf.train.Server"),
    "contrib.ignite": ("it speaks to a database", "tf.data.Dataset.from_generator"),
    "contrib.gan.estimator": ("its models are made of the functions around it", "tf.contrib.gan.gan_train"),
    "contrib.gan.eval": ("it measures images by networks that it downloads", "tf.summary.image"),
    "contrib.kafka": ("it speaks to a message broker", "tf.data.Dataset.from_generator"),
    "contrib.kfac": (
        "it left TensorFlow before 1.15 for a package of its own",
        "tf.contrib.opt.ShampooOptimizer or tf.train.AdamOptimizer",
    ),
    "contrib.kinesis": ("it speaks to a service", "tf.data.Dataset.from_generator"),
    "contrib.lite": ("its converter writes a format for phones", "tf.saved_model.simple_save"),
    "contrib.mpi": ("it is a transport between machines", "tf.train.Server"),
    "contrib.mpi_collectives": ("it is a transport between machines", "tf.train.Server"),
    "contrib.remote_fused_graph": ("it calls a processor of phones", "tf.Session"),
    "contrib.rpc": ("it calls other machines while a graph runs", "tf.py_func"),
    "contrib.tensorrt": ("it calls a library of its own", "tf.Session, which compiles"),
    "contrib.verbs": ("it is a transport between machines", "tf.train.Server"),
}


# Names of namespaces that are there, or whole small ones -> (why they are not there, what to use).
_NOT_WRITTEN = "it is not written yet; no surveyed program uses it"
_KERAS_CELLS = "its network of Keras cells is not written yet"
NAMES: dict[str, tuple[str, str]] = {
    "contrib.checkpoint.capture_dependencies": (_NOT_WRITTEN, "tf.make_template, which holds what it makes"),
    "contrib.checkpoint.split_dependency": ("no object here saves its parts in one buffer", "tf.train.Saver"),
    "contrib.eager.EagerVariableStore": ("a graph makes each variable once", "tf.make_template"),
    "contrib.eager.connect_to_remote_host": ("nothing runs outside of a session", "tf.train.Server"),
    "contrib.eager.enable_remote_eager_execution": ("nothing runs outside of a session", "tf.train.Server"),
    "contrib.image.single_image_random_dot_stereograms": (_NOT_WRITTEN, "tf.py_func"),
    "contrib.layers.feature_column.DataFrameColumn": (
        "contrib.learn.dataframe is not there",
        "tf.feature_column",
    ),
    "contrib.losses.metric_learning.cluster_loss": (
        "it calls scikit-learn for its scores",
        "tf.contrib.losses.metric_learning.triplet_semihard_loss",
    ),
    "contrib.learn.io.data_feeder.DaskDataFeeder": (
        "dask's tables become arrays",
        "contrib.learn.extract_dask_data",
    ),
    "contrib.slim.DataFrameColumn": ("contrib.learn.dataframe is not there", "tf.feature_column"),
    "estimator.experimental.RNNClassifier": (_KERAS_CELLS, "tf.contrib.estimator.RNNClassifier"),
    "estimator.experimental.RNNEstimator": (_KERAS_CELLS, "tf.contrib.estimator.RNNEstimator"),
    "experimental": ("functions run with their session", "tf.ConfigProto"),
    "layers.experimental": (_NOT_WRITTEN, "tf.keras.layers"),
    "lite": ("its converter writes a format for phones", "tf.saved_model.simple_save"),
    "contrib.stat_summarizer": ("it reads what TensorFlow's C++ executor counts", "tf.profiler"),
    "contrib.tpu.keras_to_tpu_model": ("there are no tensor processors", "the Keras model as it is"),
    "contrib.tpu.profiler": ("there are no tensor processors", "tf.profiler"),
}


def reason(full: str) -> str | None:
    """Why a name cannot be had and what to use instead, for a message; None where nothing is known.

    Args:
      full: the name, relative to `tf`.
    """
    for space, (why, use) in (INSTEAD | NAMES).items():
        if full == space or full.startswith(f"{space}."):
            return f"tf.{space} is not offered, because {why}; use {use}"
    return None
