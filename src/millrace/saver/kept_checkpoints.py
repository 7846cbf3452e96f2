"""`tf.train.CheckpointManager`: the last few checkpoints of a `tf.train.Checkpoint` in one folder."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.saver.checkpoint import state
from millrace.saver.object_checkpoint import Checkpoint, _session


@public("train.CheckpointManager", "contrib.checkpoint.CheckpointManager")
class CheckpointManager:
    """Saves under numbers, and removes what is too old.

    Args:
      checkpoint: what is saved.
      directory: the folder; what an earlier program kept there counts.
      max_to_keep: how many checkpoints to keep; None for all.
      keep_checkpoint_every_n_hours: besides these, keep one for each so many hours.
      checkpoint_name: the beginning of their names.

    Raises:
      ValueError: `max_to_keep` is less than one.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        directory: str,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
    ) -> None:
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(f"Expected a positive integer or None for max_to_keep. Received: {max_to_keep}")
        self._checkpoint, self._directory, self._max_to_keep = checkpoint, directory, max_to_keep
        self._hours = keep_checkpoint_every_n_hours
        self._prefix = os.path.join(directory, checkpoint_name)
        self._kept: dict[str, float] = {}
        self._latest: str | None = None
        self._preserved = time.time()
        found = state.get_checkpoint_state(directory)
        if found is not None:
            self._latest = found.model_checkpoint_path
            times = list(found.all_model_checkpoint_timestamps) or [self._preserved] * len(
                found.all_model_checkpoint_paths
            )
            self._kept = dict(zip(found.all_model_checkpoint_paths, times, strict=True))
            self._preserved = found.last_preserved_timestamp or self._preserved

    @property
    def checkpoints(self) -> list[str]:
        """The names of the checkpoints that are kept, the oldest first."""
        return list(self._kept)

    @property
    def latest_checkpoint(self) -> str | None:
        """The newest of them; None where there is none."""
        return self._latest

    def save(self, checkpoint_number: Any = None) -> str:
        """Writes a checkpoint in the default session; returns its name.

        Args:
          checkpoint_number: a number, or a variable or tensor that holds one; default, the checkpoint counts.
        """
        session = _session(None)
        number = self._checkpoint._count(session)
        if checkpoint_number is not None:
            given = checkpoint_number
            number = int(given if isinstance(given, int | np.integer) else session.run(given))
        os.makedirs(self._directory, exist_ok=True)
        path = self._checkpoint.write(f"{self._prefix}-{number}", session)
        self._kept.pop(path, None)
        self._kept[path] = time.time()
        self._latest = path
        self._record()  # before anything is removed, so that a program that is killed finds the newest
        if self._sweep():
            self._record()
        return path

    def _record(self) -> None:
        paths, times = list(self._kept), list(self._kept.values())
        assert self._latest is not None
        state.write_state(self._directory, self._latest, paths, None, True, times, self._preserved)

    def _sweep(self) -> bool:
        """Removes what is too old; whether there was something."""
        before = len(self._kept)
        while self._max_to_keep is not None and len(self._kept) > self._max_to_keep:
            path = next(iter(self._kept))
            written = self._kept.pop(path)
            if self._hours and written - self._hours * 3600 >= self._preserved:
                self._preserved = written
                continue
            state.remove_checkpoint(path)
        return len(self._kept) < before
