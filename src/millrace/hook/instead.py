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
    "contrib.kafka": ("it speaks to a message broker", "tf.data.Dataset.from_generator"),
    "contrib.kinesis": ("it speaks to a service", "tf.data.Dataset.from_generator"),
    "contrib.lite": ("its converter writes a format for phones", "tf.saved_model.simple_save"),
    "contrib.mpi": ("it is a transport between machines", "tf.train.Server"),
    "contrib.mpi_collectives": ("it is a transport between machines", "tf.train.Server"),
    "contrib.remote_fused_graph": ("it calls a processor of phones", "tf.Session"),
    "contrib.rpc": ("it calls other machines while a graph runs", "tf.py_func"),
    "contrib.tensorrt": ("it calls a library of its own", "tf.Session, which compiles"),
    "contrib.verbs": ("it is a transport between machines", "tf.train.Server"),
}


def reason(full: str) -> str | None:
    """Why a name cannot be had and what to use instead, for a message; None where nothing is known.

    Args:
      full: the name, relative to `tf`.
    """
    for space, (why, use) in INSTEAD.items():
        if full == space or full.startswith(f"{space}."):
            return f"tf.{space} is not offered, because {why}; use {use}"
    return None
