"""`tf.contrib.tensorboard.plugins.projector`: what TensorBoard's embedding projector reads."""

from __future__ import annotations

import os
from typing import Any

from millrace.core import protos
from millrace.core.public import public

_FILE = "projector_config.pbtxt"

EmbeddingInfo = public("contrib.tensorboard.plugins.projector.EmbeddingInfo")(protos.EmbeddingInfo)
ProjectorConfig = public("contrib.tensorboard.plugins.projector.ProjectorConfig")(protos.ProjectorConfig)
SpriteMetadata = public("contrib.tensorboard.plugins.projector.SpriteMetadata")(protos.SpriteMetadata)


@public("contrib.tensorboard.plugins.projector.visualize_embeddings")
def visualize_embeddings(summary_writer: Any, config: Any) -> None:
    """Writes which tensors of the checkpoints beside the summaries the projector shows.

    Args:
      summary_writer: a `tf.summary.FileWriter`; its folder gets the file.
      config: a `ProjectorConfig`.

    Raises:
      ValueError: the writer has no folder.
    """
    from google.protobuf import text_format

    logdir = summary_writer.get_logdir()
    if logdir is None:
        raise ValueError("Summary writer must have a logdir")
    folder = os.fsdecode(logdir)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, _FILE), "w", encoding="utf-8") as file:
        file.write(text_format.MessageToString(config))
