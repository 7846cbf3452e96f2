"""The callback that writes event files for TensorBoard."""

from __future__ import annotations

from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.layers.node import int_shape
from millrace.lib.summary import operations as summaries
from millrace.models.keras.backend import session
from millrace.models.keras.callbacks.base import Callback
from millrace.ops.array.reshape import reshape, squeeze, transpose
from millrace.summaries.file_writer import FileWriter


@public("keras.callbacks.TensorBoard")
class TensorBoard(Callback):
    """Writes figures, the graph and weights to event files.

    Args:
      log_dir: the folder.
      histogram_freq: after how many epochs histograms of weights and outputs are written, with each batch of
        validation; 0 for never.
      batch_size: accepted.
      write_graph: write the graph.
      write_grads, write_images: write histograms of gradients, and weights as pictures, with these.
      embeddings_freq, embeddings_layer_names, embeddings_metadata, embeddings_data: accepted.
      update_freq: "epoch", "batch", or after how many samples figures are written.
      profile_batch: accepted.
    """

    def __init__(
        self,
        log_dir: str = "./logs",
        histogram_freq: int = 0,
        batch_size: int = 32,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Any = None,
        embeddings_metadata: Any = None,
        embeddings_data: Any = None,
        update_freq: Any = "epoch",
        profile_batch: int = 2,
    ) -> None:
        super().__init__()
        self.log_dir, self.histogram_freq, self.batch_size = log_dir, histogram_freq, batch_size
        self.write_graph, self.write_grads, self.write_images = write_graph, write_grads, write_images
        self.embeddings_freq, self.embeddings_layer_names = embeddings_freq, embeddings_layer_names
        self.embeddings_metadata, self.embeddings_data = embeddings_metadata, embeddings_data
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.profile_batch = profile_batch
        self._samples_seen = self._samples_seen_at_last_write = self._total_batches_seen = 0
        self._validation_batches_seen = 0
        self._merged: Any = None  # what is written of weights, gradients and outputs
        self.writer: Any = None

    def set_model(self, model: Any) -> None:
        """Takes the model, and makes what will be written of its layers."""
        super().set_model(model)
        if self.histogram_freq and self._merged is None:
            for layer in model.layers:
                self._show(layer)
            self._merged = summaries.merge_all()

    def _show(self, layer: Any) -> None:
        for weight in layer.weights:
            name = weight.name.replace(":", "_")
            summaries.histogram(name, weight)
            picture = _picture(weight) if self.write_images else None
            if picture is not None:
                summaries.image(name, picture)
        if self.write_grads:
            for weight in layer.trainable_weights:
                (gradient,) = self.model.optimizer.get_gradients(self.model.total_loss, [weight])
                summaries.histogram(
                    f"{weight.name.replace(':', '_')}_grad", getattr(gradient, "values", gradient)
                )
        if isinstance(layer.output, list):
            for i, output in enumerate(layer.output):
                summaries.histogram(f"{layer.name}_out_{i}", output)
        else:
            summaries.histogram(f"{layer.name}_out", layer.output)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Lets validation fetch what is written of layers, where that is asked for."""
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._fetch(self._merged)

    def _fetch(self, merged: Any) -> None:
        """Adds to what the function that evaluates fetches, or takes it away again."""
        if not self.histogram_freq:
            return
        function = self.model.test_function
        function.fetches = [f for f in function.fetches if f is not self._merged]
        if merged is not None:
            function.fetches.append(merged)
            function.fetch_callbacks[merged] = self._write_layers

    def _write_layers(self, summary: Any) -> None:
        self.writer.add_summary(summary, self._validation_batches_seen)
        self._validation_batches_seen += 1

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the event file."""
        if self.writer is None:
            graph = session.get_session().graph if self.write_graph else None
            self.writer = FileWriter(self.log_dir, graph)

    def _write(self, logs: dict[str, Any], step: int) -> None:
        for name, value in logs.items():
            summary = protos.Summary()
            entry = summary.value.add()
            entry.tag, entry.simple_value = name, float(value)
            self.writer.add_summary(summary, step)
        self.writer.flush()

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the figures of a batch where that is asked for."""
        logs = logs or {}
        self._samples_seen += logs.get("size", 1)
        since = self._samples_seen - self._samples_seen_at_last_write
        if self.update_freq != "epoch" and since >= self.update_freq:
            figures = {f"batch_{k}": v for k, v in logs.items() if k not in ("batch", "size", "num_steps")}
            self._write(figures, self._total_batches_seen)
            self._samples_seen_at_last_write = self._samples_seen
        self._total_batches_seen += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the figures of an epoch."""
        step = epoch if self.update_freq == "epoch" else self._samples_seen
        self._write({f"epoch_{k}": v for k, v in (logs or {}).items()}, step)
        self._fetch(None)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the event file."""
        self.writer.close()
        self.writer = None


def _picture(weight: Any) -> Any:
    """A weight as pictures, the longer side across; None for one number, and for too many axes."""
    squeezed = squeeze(weight)
    shape = int_shape(squeezed)
    if len(shape) == 1:
        return reshape(squeezed, [1, shape[0], 1, 1])
    if len(shape) == 2:
        if shape[0] > shape[1]:
            squeezed, shape = transpose(squeezed), shape[::-1]
        return reshape(squeezed, [1, *shape, 1])
    if len(shape) == 3:
        if settings.image_data_format() == "channels_last":
            squeezed, shape = transpose(squeezed, [2, 0, 1]), (shape[2], *shape[:2])
        return reshape(squeezed, [*shape, 1])
    return squeezed if len(shape) == 4 and shape[-1] in (1, 3, 4) else None
