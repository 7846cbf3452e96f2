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

from millrace.core.public import public
from millrace.models.keras.callbacks.base import Callback


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
