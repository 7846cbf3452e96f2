"""The dense updates of optimisers: new values of a variable and its slots from a gradient.

Each formula stands once; `training_sparse.py` applies the same formulas to rows.
"""

from __future__ import annotations

from millrace.graph.attrs import flag
from millrace.opkit.state import update_formulas as formulas
from millrace.opkit.state.updates import update

_NESTEROV = {"use_nesterov": flag(False)}
_SLOTS = {"update_slots": flag(True)}

update("ApplyGradientDescent", "var", "alpha delta", formulas.gradient_descent, __name__)
update("ResourceApplyGradientDescent", "var", "alpha delta", formulas.gradient_descent, __name__)

update("ApplyProximalGradientDescent", "var", "alpha l1 l2 delta", formulas.proximal_descent, __name__)
update(
    "ResourceApplyProximalGradientDescent", "var", "alpha l1 l2 delta", formulas.proximal_descent, __name__
)

update("ApplyMomentum", "var accum", "lr grad momentum", formulas.momentum, __name__, **_NESTEROV)
update("ResourceApplyMomentum", "var accum", "lr grad momentum", formulas.momentum, __name__, **_NESTEROV)
update(
    "ResourceApplyKerasMomentum",
    "var accum",
    "lr grad momentum",
    formulas.keras_momentum,
    __name__,
    **_NESTEROV,
)

_ADAM = "beta1_power beta2_power lr beta1 beta2 epsilon grad"
update("ApplyAdam", "var m v", _ADAM, formulas.adam, __name__, **_NESTEROV)
update("ResourceApplyAdam", "var m v", _ADAM, formulas.adam, __name__, **_NESTEROV)
update("ResourceApplyAdamWithAmsgrad", "var m v vhat", _ADAM, formulas.amsgrad, __name__)

_ADAMAX = "beta1_power lr beta1 beta2 epsilon grad"
update("ApplyAdaMax", "var m v", _ADAMAX, formulas.adamax, __name__)
update("ResourceApplyAdaMax", "var m v", _ADAMAX, formulas.adamax, __name__)

update("ApplyAdagrad", "var accum", "lr grad", formulas.adagrad, __name__, **_SLOTS)
update("ResourceApplyAdagrad", "var accum", "lr grad", formulas.adagrad, __name__, **_SLOTS)
update("ApplyAdagradV2", "var accum", "lr epsilon grad", formulas.adagrad_v2, __name__, **_SLOTS)
update("ResourceApplyAdagradV2", "var accum", "lr epsilon grad", formulas.adagrad_v2, __name__, **_SLOTS)

update("ApplyProximalAdagrad", "var accum", "lr l1 l2 grad", formulas.proximal_adagrad, __name__)
update("ResourceApplyProximalAdagrad", "var accum", "lr l1 l2 grad", formulas.proximal_adagrad, __name__)

_DUAL = "var gradient_accumulator gradient_squared_accumulator"
update("ApplyAdagradDA", _DUAL, "grad lr l1 l2 global_step", formulas.adagrad_dual_averaging, __name__)
update(
    "ResourceApplyAdagradDA", _DUAL, "grad lr l1 l2 global_step", formulas.adagrad_dual_averaging, __name__
)

update("ApplyAdadelta", "var accum accum_update", "lr rho epsilon grad", formulas.adadelta, __name__)
update("ResourceApplyAdadelta", "var accum accum_update", "lr rho epsilon grad", formulas.adadelta, __name__)

update("ApplyFtrl", "var accum linear", "grad lr l1 l2 lr_power", formulas.ftrl, __name__)
update("ResourceApplyFtrl", "var accum linear", "grad lr l1 l2 lr_power", formulas.ftrl, __name__)
update("ApplyFtrlV2", "var accum linear", "grad lr l1 l2 l2_shrinkage lr_power", formulas.ftrl_v2, __name__)
update(
    "ResourceApplyFtrlV2",
    "var accum linear",
    "grad lr l1 l2 l2_shrinkage lr_power",
    formulas.ftrl_v2,
    __name__,
)

_RMSPROP = "lr rho momentum epsilon grad"
update("ApplyRMSProp", "var ms mom", _RMSPROP, formulas.rmsprop, __name__)
update("ResourceApplyRMSProp", "var ms mom", _RMSPROP, formulas.rmsprop, __name__)
update("ApplyCenteredRMSProp", "var mg ms mom", _RMSPROP, formulas.centered_rmsprop, __name__)
update("ResourceApplyCenteredRMSProp", "var mg ms mom", _RMSPROP, formulas.centered_rmsprop, __name__)

update("ApplyAddSign", "var m", "lr alpha sign_decay beta grad", formulas.add_sign, __name__)
update("ResourceApplyAddSign", "var m", "lr alpha sign_decay beta grad", formulas.add_sign, __name__)
update("ApplyPowerSign", "var m", "lr logbase sign_decay beta grad", formulas.power_sign, __name__)
update("ResourceApplyPowerSign", "var m", "lr logbase sign_decay beta grad", formulas.power_sign, __name__)
