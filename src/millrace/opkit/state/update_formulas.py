"""The formulas of optimisers, element by element: what each one's update operations compute, written once.

Arguments come in the order of the operations' inputs: arrays of one shape, and scalars of their dtype.
"""

from __future__ import annotations


def gradient_descent(xp, var, alpha, delta):
    """var -= alpha * delta."""
    return var - delta * alpha


def proximal_descent(xp, var, alpha, l1, l2, delta):
    """Gradient descent followed by the proximal step of the l1 and l2 penalties."""
    moved = var - delta * alpha
    return _shrunk(xp, moved, alpha * l1) / (1 + l2 * alpha)


def momentum(xp, var, accum, lr, grad, momentum, use_nesterov):
    """accum = momentum * accum + grad; var follows accum, one step ahead with Nesterov's momentum."""
    accum = accum * momentum + grad
    if use_nesterov:
        return var - (grad * lr + accum * momentum * lr), accum
    return var - accum * lr, accum


def keras_momentum(xp, var, accum, lr, grad, momentum, use_nesterov):
    """accum = momentum * accum - lr * grad; var moves by accum."""
    accum = accum * momentum - grad * lr
    if use_nesterov:
        return var + (accum * momentum - grad * lr), accum
    return var + accum, accum


def adam(xp, var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad, use_nesterov):
    """Moving averages m of the gradient and v of its square; var moves by m / sqrt(v), start corrected."""
    rate = lr * xp.sqrt(1 - beta2_power) / (1 - beta1_power)
    at_once = None if use_nesterov else xp.adam_at_once(var, m, v, grad, rate, 1 - beta1, 1 - beta2, epsilon)
    if at_once is not None:
        return at_once
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    ahead = m * beta1 + (1 - beta1) * grad if use_nesterov else m
    return var - ahead * rate / (xp.sqrt(v) + epsilon), m, v


def amsgrad(xp, var, m, v, vhat, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad):
    """Adam with the largest v so far in the denominator."""
    rate = lr * xp.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - beta2)
    vhat = xp.maximum(vhat, v)
    return var - m * rate / (xp.sqrt(vhat) + epsilon), m, v, vhat


def adamax(xp, var, m, v, beta1_power, lr, beta1, beta2, epsilon, grad):
    """Adam with the largest recent gradient magnitude in place of the root of the mean square."""
    m = m + (grad - m) * (1 - beta1)
    v = xp.maximum(beta2 * v, xp.abs(grad))
    return var - lr / (1 - beta1_power) * (m / (v + epsilon)), m, v


def adagrad(xp, var, accum, lr, grad, update_slots):
    """accum += grad²; var -= lr * grad / sqrt(accum)."""
    if update_slots:
        accum = accum + grad * grad
    return var - grad * lr / xp.sqrt(accum), accum


def adagrad_v2(xp, var, accum, lr, epsilon, grad, update_slots):
    """Adagrad with epsilon added to the denominator."""
    if update_slots:
        accum = accum + grad * grad
    return var - grad * lr / (xp.sqrt(accum) + epsilon), accum


def proximal_adagrad(xp, var, accum, lr, l1, l2, grad):
    """Adagrad followed by the proximal step of the l1 and l2 penalties."""
    accum = accum + grad * grad
    rate = lr / xp.sqrt(accum)
    moved = var - grad * rate
    return _shrunk(xp, moved, rate * l1) / (1 + l2 * rate), accum


def adagrad_dual_averaging(
    xp, var, gradient_accumulator, gradient_squared_accumulator, grad, lr, l1, l2, global_step
):
    """var from the sums of all gradients and of their squares; the penalties grow with the step."""
    steps = global_step.astype(var.dtype)
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + grad * grad
    return -lr * _shrunk(xp, total, l1 * steps) / (l2 * steps * lr + xp.sqrt(squares)), total, squares


def adadelta(xp, var, accum, accum_update, lr, rho, epsilon, grad):
    """Steps whose size is the running size of earlier steps over that of the gradients."""
    accum = accum * rho + grad * grad * (1 - rho)
    step = xp.sqrt(accum_update + epsilon) / xp.sqrt(accum + epsilon) * grad
    return var - step * lr, accum, accum_update * rho + step * step * (1 - rho)


def ftrl(xp, var, accum, linear, grad, lr, l1, l2, lr_power):
    """Follow the regularised leader."""
    return _leader(xp, var, accum, linear, grad, grad, lr, l1, l2, lr_power)


def ftrl_v2(xp, var, accum, linear, grad, lr, l1, l2, l2_shrinkage, lr_power):
    """Follow the regularised leader, with an l2 penalty on the magnitude added to the gradient."""
    shrunk = grad + 2 * l2_shrinkage * var
    return _leader(xp, var, accum, linear, grad, shrunk, lr, l1, l2, lr_power)


def _leader(xp, var, accum, linear, grad, shrunk, lr, l1, l2, lr_power):
    new_accum = accum + grad * grad
    power = xp.power(new_accum, -lr_power)
    linear = linear + shrunk - (power - xp.power(accum, -lr_power)) / lr * var
    quadratic = power / lr + 2 * l2
    moved = (xp.sign(linear) * l1 - linear) / quadratic
    return xp.where(xp.abs(linear) > l1, moved, xp.zeros_like(var)), new_accum, linear


def rmsprop(xp, var, ms, mom, lr, rho, momentum, epsilon, grad):
    """ms averages grad²; mom is the momentum of steps lr * grad / sqrt(ms)."""
    ms = ms + (grad * grad - ms) * (1 - rho)
    mom = mom * momentum + grad * lr / xp.sqrt(ms + epsilon)
    return var - mom, ms, mom


def centered_rmsprop(xp, var, mg, ms, mom, lr, rho, momentum, epsilon, grad):
    """RMSProp with the variance of the gradient in place of its mean square."""
    ms = ms + (grad * grad - ms) * (1 - rho)
    mg = mg + (grad - mg) * (1 - rho)
    mom = mom * momentum + grad * lr / xp.sqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


def add_sign(xp, var, m, lr, alpha, sign_decay, beta, grad):
    """Larger steps where the gradient agrees in sign with its moving average m."""
    m = m * beta + grad * (1 - beta)
    agreement = xp.sign(grad) * xp.sign(m)
    return var - lr * (alpha + sign_decay * agreement) * grad, m


def power_sign(xp, var, m, lr, logbase, sign_decay, beta, grad):
    """Steps larger by a power where the gradient agrees in sign with its moving average m."""
    m = m * beta + grad * (1 - beta)
    agreement = xp.sign(grad) * xp.sign(m)
    return var - lr * xp.exp(logbase * sign_decay * agreement) * grad, m


POWERS = frozenset((ftrl, ftrl_v2, power_sign))
"""Formulas with powers, of which NumPy may compute the last elements of an array in another way."""


def _shrunk(xp, x, by):
    """`x` moved towards zero by `by`, stopping there."""
    return xp.sign(x) * xp.maximum(xp.abs(x) - by, xp.zeros_like(x))
