"""`tf.contrib.gan`: losses of models, and what trains generator and discriminator in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.gan import tuple_losses
from millrace.contributed.gan.tuples import (
    ACGANModel,
    CycleGANLoss,
    CycleGANModel,
    GANLoss,
    GANModel,
    GANTrainOps,
    GANTrainSteps,
    InfoGANModel,
)
from millrace.contributed.training.loops import train
from millrace.contributed.training.train_ops import create_train_op_of
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.constant import constant
from millrace.training.global_step import get_or_create_global_step
from millrace.training.hooks.base import SessionRunHook

_ONE_EACH = GANTrainSteps(1, 1)


@public("contrib.gan.gan_loss")
def gan_loss(
    model: Any,
    generator_loss_fn: Callable[..., Any] = tuple_losses.wasserstein_generator_loss,
    discriminator_loss_fn: Callable[..., Any] = tuple_losses.wasserstein_discriminator_loss,
    gradient_penalty_weight: Any = None,
    gradient_penalty_epsilon: float = 1e-10,
    gradient_penalty_target: float = 1.0,
    gradient_penalty_one_sided: bool = False,
    mutual_information_penalty_weight: Any = None,
    aux_cond_generator_weight: Any = None,
    aux_cond_discriminator_weight: Any = None,
    tensor_pool_fn: Callable[[Any], Any] | None = None,
    add_summaries: bool = True,
) -> GANLoss:
    """The losses of a model.

    Args:
      model: a GANModel, InfoGANModel or ACGANModel.
      generator_loss_fn, discriminator_loss_fn: of a model and `add_summaries`.
      gradient_penalty_weight: of `wasserstein_gradient_penalty` in the discriminator's loss; None for none.
      gradient_penalty_epsilon, gradient_penalty_target, gradient_penalty_one_sided: of that penalty.
      mutual_information_penalty_weight: of that penalty in both losses, of an InfoGANModel.
      aux_cond_generator_weight, aux_cond_discriminator_weight: of the losses of classes, of an ACGANModel.
      tensor_pool_fn: of (generated data, inputs) to such of earlier steps, for the discriminator.
      add_summaries: also summarize the losses.

    Raises:
      ValueError: a weight is negative, or is one of another kind of model.
    """
    for name, weight, kind in (
        ("gradient_penalty_weight", gradient_penalty_weight, tuple),
        ("mutual_information_penalty_weight", mutual_information_penalty_weight, InfoGANModel),
        ("aux_cond_generator_weight", aux_cond_generator_weight, ACGANModel),
        ("aux_cond_discriminator_weight", aux_cond_discriminator_weight, ACGANModel),
    ):
        if isinstance(weight, int | float) and weight < 0:
            raise ValueError(f"`{name}` must not be negative. Received: {weight}")
        if weight is not None and not isinstance(model, kind):
            raise ValueError(f"`{name}` is for a {kind.__name__}. Received: a {type(model).__name__}")
    told = {"add_summaries": add_summaries}
    pooled = model if tensor_pool_fn is None else _pooled(model, tensor_pool_fn)
    of_generator = generator_loss_fn(model, **told)
    of_discriminator = discriminator_loss_fn(pooled, **told)
    if gradient_penalty_weight is not None:
        of_discriminator += gradient_penalty_weight * tuple_losses.wasserstein_gradient_penalty(
            pooled,
            epsilon=gradient_penalty_epsilon,
            target=gradient_penalty_target,
            one_sided=gradient_penalty_one_sided,
            **told,
        )
    if mutual_information_penalty_weight is not None:
        shared = mutual_information_penalty_weight * tuple_losses.mutual_information_penalty(model, **told)
        of_generator, of_discriminator = of_generator + shared, of_discriminator + shared
    if aux_cond_generator_weight is not None:
        of_generator += aux_cond_generator_weight * tuple_losses.acgan_generator_loss(model, **told)
    if aux_cond_discriminator_weight is not None:
        of_classes = tuple_losses.acgan_discriminator_loss(pooled, **told)
        of_discriminator += aux_cond_discriminator_weight * of_classes
    return GANLoss(of_generator, of_discriminator)


def _pooled(model: Any, tensor_pool_fn: Callable[[Any], Any]) -> Any:
    """The model as the discriminator sees it, with generated data of earlier steps."""
    data, inputs = tensor_pool_fn((model.generated_data, model.generator_inputs))
    with variable_scope(model.discriminator_scope, reuse=True):
        outputs = model.discriminator_fn(data, inputs)
    changed = {"generated_data": data, "generator_inputs": inputs}
    if isinstance(model, ACGANModel):
        outputs, changed["discriminator_gen_classification_logits"] = outputs
    return model._replace(discriminator_gen_outputs=outputs, **changed)


@public("contrib.gan.cyclegan_loss")
def cyclegan_loss(
    model: CycleGANModel,
    generator_loss_fn: Callable[..., Any] = tuple_losses.least_squares_generator_loss,
    discriminator_loss_fn: Callable[..., Any] = tuple_losses.least_squares_discriminator_loss,
    cycle_consistency_loss_fn: Callable[..., Any] = tuple_losses.cycle_consistency_loss,
    cycle_consistency_loss_weight: Any = 10.0,
    **kwargs: Any,
) -> CycleGANLoss:
    """The losses of both models of a CycleGANModel; each generator's holds the loss of the way back.

    Args:
      model: the model.
      cycle_consistency_loss_fn: of the model and `add_summaries`.
      cycle_consistency_loss_weight: its weight.
      generator_loss_fn, discriminator_loss_fn, **kwargs: as for `gan_loss`.

    Raises:
      ValueError: it is another model, or the weight is negative.
    """
    if not isinstance(model, CycleGANModel):
        raise ValueError(f"`model` must be a `CycleGANModel`. Received: {type(model)}")
    if cycle_consistency_loss_weight < 0:
        raise ValueError(
            f"`cycle_consistency_loss_weight` must not be negative. Received: {cycle_consistency_loss_weight}"
        )
    back = cycle_consistency_loss_fn(model, add_summaries=kwargs.get("add_summaries", True))
    back = back * cycle_consistency_loss_weight

    def of(part: GANModel) -> GANLoss:
        loss = gan_loss(part, generator_loss_fn, discriminator_loss_fn, **kwargs)
        return loss._replace(generator_loss=loss.generator_loss + back)

    return CycleGANLoss(of(model.model_x2y), of(model.model_y2x))


@public("contrib.gan.gan_train_ops")
def gan_train_ops(
    model: Any,
    loss: Any,
    generator_optimizer: Any,
    discriminator_optimizer: Any,
    check_for_unused_update_ops: bool = True,
    **kwargs: Any,
) -> GANTrainOps:
    """What trains both networks for their losses, each by its own variables and update operations.

    Args:
      model, loss: a model and its losses; both of a CycleGANModel, too.
      generator_optimizer, discriminator_optimizer: the optimizers.
      check_for_unused_update_ops: update operations of neither network are an error.
      **kwargs: as for `contrib.training.create_train_op`.

    Raises:
      ValueError: there are update operations of neither network.
    """
    if isinstance(model, CycleGANModel):
        parts = [
            gan_train_ops(one, of_one, generator_optimizer, discriminator_optimizer, False, **kwargs)
            for one, of_one in ((model.model_x2y, loss.loss_x2y), (model.model_y2x, loss.loss_y2x))
        ]
        return GANTrainOps([p[0] for p in parts], [p[1] for p in parts], parts[0].global_step_inc_op)
    step = get_or_create_global_step()
    updates = _updates_of(model, kwargs.pop("update_ops", None), check_for_unused_update_ops)
    sides = (
        (loss.generator_loss, generator_optimizer, model.generator_variables, updates[0]),
        (loss.discriminator_loss, discriminator_optimizer, model.discriminator_variables, updates[1]),
    )
    generator, discriminator = [
        create_train_op_of(of, by, global_step=None, update_ops=first, variables_to_train=variables, **kwargs)
        for of, by, variables, first in sides
    ]
    return GANTrainOps(generator, discriminator, assign_add(step, constant(1, step.dtype.base_dtype)))


def _updates_of(model: Any, given: Any, check: bool) -> tuple[list[Any], list[Any]]:
    """The update operations of generator and discriminator."""
    everything = get_default_graph().get_collection(GraphKeys.UPDATE_OPS) if given is None else given

    def within(scope: Any) -> list[Any]:
        return [op for op in everything if op.name.startswith(f"{scope.name}/")]

    of_generator, of_discriminator = within(model.generator_scope), within(model.discriminator_scope)
    unused = [op.name for op in everything if op not in of_generator and op not in of_discriminator]
    if check and unused:
        raise ValueError(f"There are unused update ops: {unused}")
    return of_generator, of_discriminator


@public("contrib.gan.RunTrainOpsHook")
class RunTrainOpsHook(SessionRunHook):
    """Runs operations so many times before each step."""

    def __init__(self, train_ops: Any, train_steps: int) -> None:
        """Makes the hook.

        Args:
          train_ops: an operation or a list of them.
          train_steps: how often.
        """
        self._train_ops = list(train_ops) if isinstance(train_ops, list | tuple) else [train_ops]
        self._train_steps = train_steps

    def before_run(self, run_context: Any) -> None:
        """Runs them."""
        for _ in range(self._train_steps):
            run_context.session.run(self._train_ops)


@public("contrib.gan.get_sequential_train_hooks")
def get_sequential_train_hooks(train_steps: Any = _ONE_EACH) -> Callable[[Any], list[Any]]:
    """A function of GANTrainOps to hooks that train the generator, and then the discriminator.

    Args:
      train_steps: a GANTrainSteps: how often each.
    """

    def hooks(train_ops: Any) -> list[Any]:
        return [
            RunTrainOpsHook(train_ops.generator_train_op, train_steps.generator_train_steps),
            RunTrainOpsHook(train_ops.discriminator_train_op, train_steps.discriminator_train_steps),
        ]

    return hooks


@public("contrib.gan.get_joint_train_hooks")
def get_joint_train_hooks(train_steps: Any = _ONE_EACH) -> Callable[[Any], list[Any]]:
    """A function of GANTrainOps to hooks that train both in one run, and one of them alone for the rest.

    Args:
      train_steps: a GANTrainSteps: how often each.
    """
    generator, discriminator = train_steps
    both = min(generator, discriminator)

    def hooks(train_ops: Any) -> list[Any]:
        first, second = _listed(train_ops.generator_train_op), _listed(train_ops.discriminator_train_op)
        found = [RunTrainOpsHook(first + second, both)]
        if generator != discriminator:
            found.append(
                RunTrainOpsHook(first if generator > both else second, abs(generator - discriminator))
            )
        return found

    return hooks


def _listed(ops: Any) -> list[Any]:
    return list(ops) if isinstance(ops, list | tuple) else [ops]


@public("contrib.gan.get_sequential_train_steps")
def get_sequential_train_steps(train_steps: Any = _ONE_EACH) -> Callable[..., tuple[Any, bool]]:
    """A function for slim's `train` that trains both networks in turn.

    Args:
      train_steps: a GANTrainSteps: how often each.

    Returns:
      A function of a session, GANTrainOps, the global step and `train_step_kwargs` to the sum of the losses
      and whether to stop.
    """

    def steps(session: Any, train_ops: Any, global_step: Any, train_step_kwargs: dict[str, Any]) -> Any:
        del global_step
        total = 0.0
        for ops, count in zip(train_ops[:2], train_steps, strict=True):
            last = 0.0
            for _ in range(count):
                last = session.run(ops)
            total = total + last
        session.run(train_ops.global_step_inc_op)
        stop = train_step_kwargs.get("should_stop")
        return total, False if stop is None else bool(session.run(stop))

    return steps


@public("contrib.gan.gan_train")
def gan_train(
    train_ops: Any,
    logdir: Any,
    get_hooks_fn: Callable[[Any], list[Any]] | None = None,
    master: str = "",
    is_chief: bool = True,
    scaffold: Any = None,
    hooks: Any = None,
    chief_only_hooks: Any = None,
    save_checkpoint_secs: Any = 600,
    save_summaries_steps: Any = 100,
    config: Any = None,
) -> Any:
    """Trains until a hook wants to stop; returns the last global step.

    Args:
      train_ops: as `gan_train_ops` makes them.
      get_hooks_fn: of these to the hooks that train; default `get_sequential_train_hooks()`.
      logdir, master, is_chief, scaffold, hooks, chief_only_hooks, save_checkpoint_secs, save_summaries_steps,
        config: as for `contrib.training.train`.
    """
    made = (get_hooks_fn or get_sequential_train_hooks())(train_ops)
    return train(
        train_ops.global_step_inc_op,
        logdir,
        master,
        is_chief,
        scaffold,
        [*made, *(hooks or ())],
        chief_only_hooks,
        save_checkpoint_secs,
        save_summaries_steps,
        config,
    )
