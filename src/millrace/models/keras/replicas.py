"""One model on several devices, and what lies before a tensor."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import shape_tensor
from millrace.building.scopes import device, name_scope
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.node import history
from millrace.models.keras.backend import session
from millrace.models.keras.engine.cloning import clone_model
from millrace.models.keras.engine.model import Model
from millrace.models.keras.layers.functions import Lambda
from millrace.models.keras.layers.merging import concatenate
from millrace.models.keras.saving.conversion import turned
from millrace.ops.array.concat import concat
from millrace.session.devices import list_devices


@public("keras.utils.multi_gpu_model")
def multi_gpu_model(model: Any, gpus: Any, cpu_merge: bool = True, cpu_relocation: bool = False) -> Any:
    """A model that runs parts of each batch on several devices and joins the results.

    Args:
      model: the model; the new one shares its weights.
      gpus: how many, or a list of their numbers.
      cpu_merge: whether the results are joined on the CPU.
      cpu_relocation: whether the weights are made on the CPU, in a copy.

    Raises:
      ValueError: there are not so many devices.
    """
    if isinstance(gpus, list | tuple):
        ids = list(gpus)
    elif gpus <= 1:
        raise ValueError(
            f"For multi-gpu usage to be effective, call `multi_gpu_model` with `gpus >= 2`. Received: {gpus}"
        )
    else:
        ids = list(range(gpus))
    there = [d.name for d in list_devices()]
    wanted = ["/cpu:0", *[f"/gpu:{k}" for k in ids]]
    known = {"/" + ":".join(name.lower().split(":")[-2:]) for name in there}
    if not set(wanted) <= known:
        raise ValueError(
            f"To call `multi_gpu_model` with `gpus={gpus}`, we expect the following devices to be available: "
            f"{wanted}. However this machine only has: {sorted(known)}. Try reducing `gpus`."
        )
    if cpu_relocation:
        with device("/cpu:0"):
            model = clone_model(model)
    return _in_parallel(model, ids, cpu_merge)


def _in_parallel(model: Any, ids: list[int], cpu_merge: bool) -> Any:
    outputs: list[list[Any]] = [[] for _ in model.outputs]
    for number, gpu in enumerate(ids):
        with device(f"/gpu:{gpu}"), name_scope(f"replica_{gpu}"):
            parts = []
            for name, given in zip(model.input_names, model.inputs, strict=True):
                made = Lambda(
                    _part,
                    output_shape=tuple(given.get_shape().as_list()[1:]),
                    arguments={"number": number, "parts": len(ids)},
                    name=f"{name}_{number}",
                )
                parts.append(made(given))
            found = nest.flatten(model(parts[0] if len(parts) == 1 else parts))
            for kept, tensor in zip(outputs, found, strict=True):
                kept.append(tensor)
    with device("/cpu:0" if cpu_merge else f"/gpu:{ids[0]}"):
        names = model.output_names
        merged = [concatenate(o, axis=0, name=n) for n, o in zip(names, outputs, strict=True)]
        return Model(model.inputs, merged)


def _part(data: Any, number: int, parts: int) -> Any:
    """The rows of a batch for one device; the last takes the rest."""
    shape = shape_tensor(data)
    step = shape[:1] // parts
    size = shape[:1] - step * number if number == parts - 1 else step
    begin = concat([step * number, shape[1:] * 0], axis=0)

    return raw.Slice(data, begin, concat([size, shape[1:]], axis=0))


@public("keras.utils.get_source_inputs")
def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list[Any]:
    """The inputs that a tensor is computed from.

    Args:
      tensor: the output of a layer.
      layer, node_index: the layer, and which of its calls; default, those that made the tensor.
    """
    origin = history(tensor)
    if origin is None:
        return [tensor]
    if layer is None or node_index:
        layer, node_index = origin.layer, origin.node_index
    if not layer._inbound_nodes:
        return [tensor]
    node = layer._inbound_nodes[node_index or 0]
    if node.input_tensors is None or not node.parents():
        return nest.flatten(node.output_tensors if node.input_tensors is None else node.input_tensors)
    found: list[Any] = []
    for given in nest.flatten(node.input_tensors):
        for source in get_source_inputs(given):
            if isinstance(source, Tensor) and not any(source is known for known in found):
                found.append(source)
    return found


@public("keras.utils.convert_all_kernels_in_model")
def convert_all_kernels_in_model(model: Any) -> None:
    """Turns the kernels of all convolutions round, as Theano has them, or back."""
    kinds = {"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose"}
    kernels = [layer.kernel for layer in model.layers if type(layer).__name__ in kinds]
    session.batch_set_value([(kernel, turned(session.get_value(kernel))) for kernel in kernels])
