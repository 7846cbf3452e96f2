"""Callbacks that write figures to files, event logs or a server."""

from __future__ import annotations

import collections
import csv
import json
import os
import urllib.request
import warnings
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import numpy as np

from millrace.core import protos
from millrace.core.public import public
from millrace.models.keras.backend import session
from millrace.models.keras.callbacks.base import Callback
from millrace.summaries.file_writer import FileWriter


@public("keras.callbacks.CSVLogger")
class CSVLogger(Callback):
    """Writes the figures of each epoch to a file.

    Args:
      filename: the file.
      separator: between the columns.
      append: continue the file.
    """

    def __init__(self, filename: str, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.sep, self.append = filename, separator, append
        self.writer: Any = None
        self.keys: list[str] | None = None
        self.append_header = True

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the file."""
        if self.append:
            if os.path.exists(self.filename):
                with open(self.filename, encoding="utf-8") as file:
                    self.append_header = not bool(len(file.readline()))
            mode = "a"
        else:
            mode = "w"
        self.csv_file = open(self.filename, mode, newline="", encoding="utf-8")  # noqa: SIM115 - closed at the end

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes a line."""
        logs = dict(logs or {})
        if self.keys is None:
            self.keys = sorted(logs)
        if self.model.stop_training:
            logs = {k: logs.get(k, "NA") for k in self.keys}
        if self.writer is None:
            names = ["epoch", *self.keys]
            self.writer = csv.DictWriter(
                self.csv_file, fieldnames=names, delimiter=self.sep, lineterminator="\n"
            )
            if self.append_header:
                self.writer.writeheader()
        row = collections.OrderedDict({"epoch": epoch})
        row.update((key, _cell(logs[key])) for key in self.keys)
        self.writer.writerow(row)
        self.csv_file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the file."""
        self.csv_file.close()
        self.writer = None


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable) and not (isinstance(value, np.ndarray) and value.ndim == 0):
        return f'"[{", ".join(map(str, value))}]"'
    return value


@public("keras.callbacks.RemoteMonitor")
class RemoteMonitor(Callback):
    """Sends the figures of each epoch to a server.

    Args:
      root: the server.
      path: where on it.
      field: the form's field that holds the figures.
      headers: of the request.
      send_as_json: send JSON, not a form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Sends the figures; a server that cannot be reached is warned of."""
        figures = {"epoch": epoch, **{k: float(v) for k, v in (logs or {}).items()}}
        text = json.dumps(figures)
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body, kind = urlencode({self.field: text}).encode(), "application/x-www-form-urlencoded"
        request = urllib.request.Request(
            self.root + self.path, body, {"Content-Type": kind, **(self.headers or {})}
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except OSError:
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}", stacklevel=2)


@public("keras.callbacks.TensorBoard")
class TensorBoard(Callback):
    """Writes figures, the graph and weights to event files.

    Args:
      log_dir: the folder.
      histogram_freq: after how many epochs weights are written; 0 for never.
      batch_size: accepted.
      write_graph: write the graph.
      write_grads, write_images: accepted.
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
        self.writer: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the event file."""
        if self.writer is None:
            graph = session.get_session().graph if self.write_graph else None
            self.writer = FileWriter(self.log_dir, graph)

    def _write(self, logs: dict[str, Any], step: int) -> None:
        for name, value in logs.items():
            if name in ("batch", "size", "num_steps"):
                continue
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
        """Writes the figures of an epoch, and weights where that is asked for."""
        step = epoch if self.update_freq == "epoch" else self._samples_seen
        self._write({f"epoch_{k}": v for k, v in (logs or {}).items()}, step)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)

    def _write_weights(self, epoch: int) -> None:
        weights = [w for layer in self.model.layers for w in layer.weights]
        for weight, value in zip(weights, session.batch_get_value(weights), strict=True):
            summary = protos.Summary()
            entry = summary.value.add()
            entry.tag = weight.op.name
            _fill_histogram(entry.histo, np.asarray(value, np.float64).ravel())
            self.writer.add_summary(summary, epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the event file."""
        self.writer.close()
        self.writer = None


def _fill_histogram(histogram: Any, values: np.ndarray) -> None:
    counts, edges = np.histogram(values, bins=30)
    histogram.min, histogram.max = float(values.min()), float(values.max())
    histogram.num, histogram.sum = len(values), float(values.sum())
    histogram.sum_squares = float((values**2).sum())
    histogram.bucket_limit.extend(edges[1:].tolist())
    histogram.bucket.extend(counts.tolist())
