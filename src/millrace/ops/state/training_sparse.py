"""The sparse updates of optimisers: the formulas of the dense ones, on some rows."""

from __future__ import annotations

from millrace.graph.attrs import flag
from millrace.opkit.state import update_formulas as formulas
from millrace.opkit.state.updates import sparse_update

_NESTEROV = {"use_nesterov": flag(False)}
_SLOTS = {"update_slots": flag(True)}

_PROXIMAL = "alpha l1 l2 grad indices"
sparse_update("SparseApplyProximalGradientDescent", "var", _PROXIMAL, formulas.proximal_descent, __name__)
sparse_update(
    "ResourceSparseApplyProximalGradientDescent", "var", _PROXIMAL, formulas.proximal_descent, __name__
)

_MOMENTUM = "lr grad indices momentum"
sparse_update("SparseApplyMomentum", "var accum", _MOMENTUM, formulas.momentum, __name__, **_NESTEROV)
sparse_update("ResourceSparseApplyMomentum", "var accum", _MOMENTUM, formulas.momentum, __name__, **_NESTEROV)
sparse_update(
    "ResourceSparseApplyKerasMomentum", "var accum", _MOMENTUM, formulas.keras_momentum, __name__, **_NESTEROV
)

_ADAGRAD = "lr grad indices"
sparse_update("SparseApplyAdagrad", "var accum", _ADAGRAD, formulas.adagrad, __name__, **_SLOTS)
sparse_update("ResourceSparseApplyAdagrad", "var accum", _ADAGRAD, formulas.adagrad, __name__, **_SLOTS)
_ADAGRAD_V2 = "lr epsilon grad indices"
sparse_update("SparseApplyAdagradV2", "var accum", _ADAGRAD_V2, formulas.adagrad_v2, __name__, **_SLOTS)
sparse_update(
    "ResourceSparseApplyAdagradV2", "var accum", _ADAGRAD_V2, formulas.adagrad_v2, __name__, **_SLOTS
)

_PROXIMAL_ADAGRAD = "lr l1 l2 grad indices"
sparse_update(
    "SparseApplyProximalAdagrad", "var accum", _PROXIMAL_ADAGRAD, formulas.proximal_adagrad, __name__
)
sparse_update(
    "ResourceSparseApplyProximalAdagrad", "var accum", _PROXIMAL_ADAGRAD, formulas.proximal_adagrad, __name__
)

_DUAL = "var gradient_accumulator gradient_squared_accumulator"
_DUAL_INPUTS = "grad indices lr l1 l2 global_step"
sparse_update("SparseApplyAdagradDA", _DUAL, _DUAL_INPUTS, formulas.adagrad_dual_averaging, __name__)
sparse_update("ResourceSparseApplyAdagradDA", _DUAL, _DUAL_INPUTS, formulas.adagrad_dual_averaging, __name__)

_ADADELTA = "lr rho epsilon grad indices"
sparse_update("SparseApplyAdadelta", "var accum accum_update", _ADADELTA, formulas.adadelta, __name__)
sparse_update("ResourceSparseApplyAdadelta", "var accum accum_update", _ADADELTA, formulas.adadelta, __name__)

_FTRL = "grad indices lr l1 l2 lr_power"
sparse_update("SparseApplyFtrl", "var accum linear", _FTRL, formulas.ftrl, __name__)
sparse_update("ResourceSparseApplyFtrl", "var accum linear", _FTRL, formulas.ftrl, __name__)
_FTRL_V2 = "grad indices lr l1 l2 l2_shrinkage lr_power"
sparse_update("SparseApplyFtrlV2", "var accum linear", _FTRL_V2, formulas.ftrl_v2, __name__)
sparse_update("ResourceSparseApplyFtrlV2", "var accum linear", _FTRL_V2, formulas.ftrl_v2, __name__)

_RMSPROP = "lr rho momentum epsilon grad indices"
sparse_update("SparseApplyRMSProp", "var ms mom", _RMSPROP, formulas.rmsprop, __name__)
sparse_update("ResourceSparseApplyRMSProp", "var ms mom", _RMSPROP, formulas.rmsprop, __name__)
sparse_update("SparseApplyCenteredRMSProp", "var mg ms mom", _RMSPROP, formulas.centered_rmsprop, __name__)
sparse_update(
    "ResourceSparseApplyCenteredRMSProp", "var mg ms mom", _RMSPROP, formulas.centered_rmsprop, __name__
)
