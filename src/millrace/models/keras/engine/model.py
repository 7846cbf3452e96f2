"""`Model`: a network that trains, evaluates and predicts."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.callbacks.progress import History
from millrace.models.keras.engine import fitting
from millrace.models.keras.engine import layer as layer  # what layers need is in place wherever models are
from millrace.models.keras.engine.batches import Batched
from millrace.models.keras.optimizers import named as optimizers
from millrace.models.keras.saving import files
from millrace.saver.object_checkpoint import LoadStatus


@public("keras.Model", "keras.models.Model")
class Model(Batched):
    """Layers joined by their calls, to be trained and asked.

    Made of inputs and outputs, `Model(inputs, outputs)`, or by a subclass that makes layers in `__init__`
    and says in `call` what it does with them.

    Args:
      inputs: nested tensors of `Input`.
      outputs: nested tensors that layers made of them.
      name: its name.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stop_training = False
        self.history: Any = None

    # --- files ----------------------------------------------------------------------------------------------

    def _trackable_children(self) -> list[tuple[str, Any]]:
        found = super()._trackable_children()
        if isinstance(self.optimizer, optimizers.Optimizer):
            found.append(("optimizer", self.optimizer))
        return found

    def save_weights(self, filepath: Any, overwrite: bool = True, save_format: str | None = None) -> None:
        """Writes the weights.

        Args:
          filepath: the file's name, or that of a checkpoint.
          overwrite: whether a file that is there is replaced; otherwise the user is asked.
          save_format: "h5" or "tf"; default: "h5" for names that end in .h5, .hdf5 or .keras.

        Raises:
          ImportError: h5py is needed and not installed.
          ValueError: the format is unknown, or there are no weights yet.
        """
        files.save_weights(self, filepath, overwrite, save_format)

    def load_weights(self, filepath: Any, by_name: bool = False) -> LoadStatus | None:
        """Sets the weights from a file that `save_weights` or `save` wrote.

        Args:
          filepath: the name.
          by_name: set those layers only whose names the file has; for HDF5 files.

        Returns:
          For a checkpoint, what became of it.

        Raises:
          ImportError: h5py is needed and not installed.
          NotFoundError: there is no such checkpoint.
          ValueError: the weights are not those of this model.
        """
        return files.load_weights(self, filepath, by_name)

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        include_optimizer: bool = True,
        save_format: str | None = None,
        signatures: Any = None,
    ) -> None:
        """Writes the model; see `tf.keras.models.save_model`."""
        files.save_model(self, filepath, overwrite, include_optimizer, save_format, signatures)

    # --- whole data -----------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        **kwargs: Any,
    ) -> History:
        """Trains the model.

        Args:
          x: arrays, tensors, a dataset, an iterator, a generator or a `Sequence`.
          y: what is true; None where `x` gives it.
          batch_size: samples of a step; default 32.
          epochs: the number of the last pass.
          verbose: 0, 1 for a bar, 2 for a line for each epoch.
          callbacks: told of the progress.
          validation_split: the share of the samples, at the end, that is kept for validation.
          validation_data: samples for validation: `(x, y)`, `(x, y, weights)`, or as `x`.
          shuffle: whether samples are shuffled before each pass; "batch" for whole batches.
          class_weight: factors by class.
          sample_weight: factors of the samples.
          initial_epoch: the number of the first pass.
          steps_per_epoch: steps of a pass, where `x` is not arrays.
          validation_steps: likewise.
          validation_freq: after how many passes, or after which, there is validation.
          max_queue_size, workers, use_multiprocessing: how generators are read ahead.
          **kwargs: `nb_epoch`, the old name of `epochs`.

        Returns:
          The `History` of losses and metrics.

        Raises:
          RuntimeError: the model was not compiled.
          ValueError: the data does not fit the model.
        """
        if "nb_epoch" in kwargs:
            epochs = kwargs.pop("nb_epoch")
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self._assert_compiled()
        request = fitting.Request(
            x, y, sample_weight, class_weight, batch_size, steps_per_epoch, verbose, callbacks, shuffle,
            max_queue_size, workers,
        )  # fmt: skip
        validation = fitting.Validation(validation_data, validation_split, validation_steps, validation_freq)
        return fitting.fit(self, request, epochs, initial_epoch, validation)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The loss and the metrics over data; arguments as for `fit`.

        Returns:
          The loss, or a list of it and the metrics, in the order of `metrics_names`.
        """
        self._assert_compiled()
        request = fitting.Request(
            x, y, sample_weight, None, batch_size, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.evaluate(self, request)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for data; arguments as for `fit`.

        Returns:
          An array, or a list of one for each output.
        """
        request = fitting.Request(
            x, None, None, None, batch_size, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.predict(self, request)

    # --- generators -----------------------------------------------------------------------------------------

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> History:
        """Trains on batches of a generator or a `Sequence`; arguments as for `fit`."""
        self._assert_compiled()
        request = fitting.Request(
            generator, None, None, class_weight, None, steps_per_epoch, verbose, callbacks, shuffle,
            max_queue_size, workers,
        )  # fmt: skip
        validation = fitting.Validation(validation_data, 0.0, validation_steps, validation_freq)
        return fitting.fit_generator(self, request, epochs, initial_epoch, validation)

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The loss and the metrics over batches of a generator or a `Sequence`; as `evaluate`."""
        self._assert_compiled()
        request = fitting.Request(
            generator, None, None, None, None, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.run_generator(self, request, "test")

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 0,
    ) -> Any:
        """The outputs for batches of a generator or a `Sequence`; as `predict`."""
        request = fitting.Request(
            generator, None, None, None, None, steps, verbose, callbacks, False, max_queue_size, workers
        )
        return fitting.run_generator(self, request, "predict")
