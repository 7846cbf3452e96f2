"""`tf.contrib.specs`: evaluates expressions."""

from __future__ import annotations

from typing import Any

from millrace.contributed.specs import composing, layers, parameters
from millrace.core.public import public


def _evaluated(spec: str, modules: Any, environment: dict[str, Any] | None) -> dict[str, Any]:
    composing.check_keywords(spec)
    names = {name: value for module in modules for name, value in vars(module).items() if name[0] != "_"}
    found: dict[str, Any] = {}
    try:
        exec(spec, {**names, **(environment or {})}, found)
    except NameError as error:
        raise ValueError(
            f"the expression may use what specs offer and its environment: {error}. Received: {spec}"
        ) from error
    return found


@public("contrib.specs.eval_params", "contrib.specs.specs.eval_params")
def eval_params(params: str, environment: dict[str, Any] | None = None) -> dict[str, Any]:
    """Evaluates assignments of parameters, which may be drawn at random.

    Args:
      params: such as `"a = Ui(2, 9); b = Lf(1e-4, 1)"`.
      environment: more names that it may use.

    Returns:
      What it assigns, by name.

    Raises:
      ValueError: it has a statement such as `import`.
    """
    return _evaluated(params, [parameters], environment)


@public("contrib.specs.eval_spec", "contrib.specs.specs.eval_spec")
def eval_spec(spec: str, environment: dict[str, Any] | None = None) -> dict[str, Any]:
    """Evaluates assignments of networks.

    Args:
      spec: such as `"net = Cr(64, [5, 5]) | Mp(2) | Flat | Fs(10)"`.
      environment: more names that it may use.

    Returns:
      What it assigns, by name.

    Raises:
      ValueError: it has a statement such as `import`.
    """
    return _evaluated(spec, [composing, layers], environment)


@public("contrib.specs.create_net_fun", "contrib.specs.specs.create_net_fun")
def create_net_fun(spec: str, environment: dict[str, Any] | None = None) -> Any:
    """The network that an expression assigns to `net`, to be applied by `funcall`.

    Args:
      spec: such as `"net = Fr(100) | Fs(10)"`.
      environment: more names that it may use.

    Raises:
      ValueError: it assigns no `net`, or has a statement such as `import`.
    """
    found = eval_spec(spec, environment)
    if "net" not in found:
        raise ValueError(f"spec failed to create 'net': {spec}")
    return found["net"]


@public("contrib.specs.create_net", "contrib.specs.specs.create_net")
def create_net(spec: str, inputs: Any, environment: dict[str, Any] | None = None) -> Any:
    """Applies the network that an expression assigns to `net`; arguments as for `create_net_fun`."""
    return create_net_fun(spec, environment).funcall(inputs)
