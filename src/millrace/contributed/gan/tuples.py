"""`tf.contrib.gan`: what a model, its losses and its training steps consist of."""

from __future__ import annotations

from collections import namedtuple

from millrace.core.public import public

_GENERATOR = (
    "generator_inputs",
    "generated_data",
    "generator_variables",
    "generator_scope",
    "generator_fn",
)
_DISCRIMINATOR = (
    "real_data",
    "discriminator_real_outputs",
    "discriminator_gen_outputs",
    "discriminator_variables",
    "discriminator_scope",
    "discriminator_fn",
)


@public("contrib.gan.GANModel")
class GANModel(namedtuple("GANModel", _GENERATOR + _DISCRIMINATOR)):
    """A generator and a discriminator: inputs and outputs, variables, scopes and functions of both."""

    __slots__ = ()


@public("contrib.gan.InfoGANModel")
class InfoGANModel(
    namedtuple(
        "InfoGANModel",
        (
            *GANModel._fields,
            "structured_generator_inputs",
            "predicted_distributions",
            "discriminator_and_aux_fn",
        ),
    )
):
    """A GANModel whose discriminator also tells distributions of the structured inputs."""

    __slots__ = ()


@public("contrib.gan.ACGANModel")
class ACGANModel(
    namedtuple(
        "ACGANModel",
        (
            *GANModel._fields,
            "one_hot_labels",
            "discriminator_real_classification_logits",
            "discriminator_gen_classification_logits",
        ),
    )
):
    """A GANModel whose discriminator also tells classes."""

    __slots__ = ()


@public("contrib.gan.CycleGANModel")
class CycleGANModel(
    namedtuple("CycleGANModel", ("model_x2y", "model_y2x", "reconstructed_x", "reconstructed_y"))
):
    """Two GANModels, each the other's way back, and the data after both."""

    __slots__ = ()


@public("contrib.gan.GANLoss")
class GANLoss(namedtuple("GANLoss", ("generator_loss", "discriminator_loss"))):
    """The two losses of a model."""

    __slots__ = ()


@public("contrib.gan.CycleGANLoss")
class CycleGANLoss(namedtuple("CycleGANLoss", ("loss_x2y", "loss_y2x"))):
    """The losses of both models of a CycleGANModel."""

    __slots__ = ()


@public("contrib.gan.GANTrainOps")
class GANTrainOps(
    namedtuple("GANTrainOps", ("generator_train_op", "discriminator_train_op", "global_step_inc_op"))
):
    """What trains both networks, and what counts the steps."""

    __slots__ = ()


@public("contrib.gan.GANTrainSteps")
class GANTrainSteps(namedtuple("GANTrainSteps", ("generator_train_steps", "discriminator_train_steps"))):
    """How often each network is trained in a step."""

    __slots__ = ()
