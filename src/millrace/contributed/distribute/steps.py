"""`tf.contrib.distribute`: steps of training, and what runs them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.variables.sets import global_variables_initializer
from millrace.session.session import Session


@public("contrib.distribute.Step")
class Step(ABC):
    """What is run again and again.

    Args:
      distribution: the strategy.
    """

    def __init__(self, distribution: Any) -> None:
        self._distribution = distribution

    @property
    def distribution(self) -> Any:
        """The strategy."""
        return self._distribution

    def initialize(self) -> Any:
        """What runs before the first step."""
        return []

    @abstractmethod
    def __call__(self) -> Any:
        """The operation of a step."""


@public("contrib.distribute.StandardInputStep")
class StandardInputStep(Step):
    """A step that reads a data set.

    Args:
      dataset_fn: gives the data set.
      distribution: the strategy.
    """

    def __init__(self, dataset_fn: Callable[[], Any], distribution: Any) -> None:
        super().__init__(distribution)
        self._iterator = distribution.make_input_fn_iterator(lambda _: dataset_fn())

    def initialize(self) -> Any:
        """What starts the data set."""
        return self._iterator.initializer

    def __call__(self) -> Any:
        """The next element."""
        return self._iterator.get_next()


@public("contrib.distribute.StandardSingleLossStep")
class StandardSingleLossStep(StandardInputStep):
    """A step that minimizes one loss.

    Args:
      dataset_fn: gives the data set.
      loss_fn: takes a context and an element, and gives the loss.
      optimizer: an optimizer.
      distribution: the strategy.
      iterations_per_step: how many elements a step takes.
    """

    def __init__(
        self,
        dataset_fn: Callable[[], Any],
        loss_fn: Callable[..., Any],
        optimizer: Any,
        distribution: Any,
        iterations_per_step: int = 1,
    ) -> None:
        super().__init__(dataset_fn, distribution)
        self._loss_fn, self._optimizer = loss_fn, optimizer
        self._iterations_per_step = iterations_per_step

    def __call__(self) -> Any:
        """The operation that trains."""
        with self._distribution.scope():
            steps: list[Any] = []
            for _ in range(self._iterations_per_step):
                element = self._iterator.get_next()

                def train(inputs: Any) -> Any:
                    return self._optimizer.minimize(self._loss_fn(None, inputs))

                steps.append(self._distribution.experimental_run_v2(train, args=(element,)))
            return group(*steps)


@public("contrib.distribute.Monitor")
class Monitor:
    """Runs steps in a session.

    Args:
      step_callable: a `Step`.
      session: default, a new one.
    """

    def __init__(self, step_callable: Any, session: Any = None) -> None:
        self._session = session or Session()
        self._run_step = self._session.make_callable(step_callable())
        self._session.run(global_variables_initializer())
        self._session.run(step_callable.initialize())

    def run_steps(self, num_steps: int | None = None) -> None:
        """Runs some steps; without a number, until the input ends."""
        step = 0
        while num_steps is None or step < num_steps:
            self._run_step()
            step += 1
