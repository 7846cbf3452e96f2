"""`millrace inspect`, `convert`, `show` and `predict`: model files from the command line."""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import sys
from typing import Any


def add_commands(commands: Any) -> None:
    """Adds the four commands to the command line."""
    inspect = commands.add_parser("inspect", help="say what a model file holds, and run nothing of it")
    inspect.add_argument("--json", action="store_true", help="as JSON, not as tables")
    inspect.add_argument("path", help="checkpoint, SavedModel, GraphDef, MetaGraph, events or records")
    convert = commands.add_parser(
        "convert", help="checkpoint to npz or safetensors and back; SavedModel or checkpoint to a frozen .pb"
    )
    convert.add_argument(
        "--outputs", default="", help="names of nodes that a frozen graph is for, with commas"
    )
    convert.add_argument(
        "--tag_set", default="serve", help="tags of a SavedModel's graph (default: %(default)s)"
    )
    convert.add_argument("source", help="what to read")
    convert.add_argument("target", help="what to write: its ending tells the form")
    show = commands.add_parser("show", help="list the tags and signatures of a SavedModel")
    show.add_argument("--dir", dest="named", help="the folder, as saved_model_cli wants it")
    show.add_argument("--all", action="store_true", help="all signatures of all graphs")
    show.add_argument("--tag_set", help="list the signatures of this graph")
    show.add_argument("--signature_def", help="list the inputs and outputs of this signature")
    show.add_argument("folder", nargs="?", help="the SavedModel")
    predict = commands.add_parser("predict", help="run a signature of a SavedModel")
    predict.add_argument("--dir", dest="named", help="the folder, as saved_model_cli wants it")
    predict.add_argument("--tag_set", default="serve", help="tags of the graph (default: %(default)s)")
    predict.add_argument("--signature_def", default="serving_default", help="default: %(default)s")
    predict.add_argument("--inputs", default="", help="input=file.npy;other=file.npz[key]")
    predict.add_argument("--input_exprs", default="", help="input=[[1.0, 2.0]];other=np.ones((2, 3))")
    predict.add_argument("--outdir", help="write the results here as .npy files")
    predict.add_argument("--overwrite", action="store_true", help="also over files that are there")
    predict.add_argument("folder", nargs="?", help="the SavedModel")
    for command in (inspect, convert, show, predict):
        command.set_defaults(act=run_command)


def run_command(chosen: argparse.Namespace) -> int:
    """Runs one of the commands.

    Returns:
      The exit status: 0, or 1 after an error, which is told in one line.
    """
    from millrace.core.errors import OpError

    work = {"inspect": _inspect, "convert": _convert, "show": _show, "predict": _predict}[chosen.command]
    try:
        print(work(chosen))
    except (OpError, OSError, ValueError, RuntimeError) as error:
        message = error.message if isinstance(error, OpError) else str(error)
        print(f"millrace {chosen.command}: {message}", file=sys.stderr)
        return 1
    return 0


def _folder(chosen: argparse.Namespace) -> str:
    folder = chosen.folder or chosen.named
    if not folder:
        raise ValueError("name the folder of a SavedModel")
    return folder


# --- inspect ------------------------------------------------------------------------------------------------


def _inspect(chosen: argparse.Namespace) -> str:
    from millrace.saver.inspection import inspect

    report = inspect(chosen.path)
    return json.dumps(report, indent=2) if chosen.json else "\n".join(_lines(report))


def _lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{report['path']}: {report['kind']}"]
    for graph in report.get("graphs", [report] if "operations" in report else []):
        lines += _graph_lines(graph)
    if "tensors" in report:
        rows = [(t["name"], t["dtype"], _shape(t["shape"]), _size(t["bytes"])) for t in report["tensors"]]
        lines.append(_table(("tensor", "dtype", "shape", "size"), rows))
        lines.append(f"{report['parameters']:,} parameters, {_size(report['bytes'])}")
    if report.get("assets"):
        lines.append("assets: " + ", ".join(report["assets"]))
    if "records" in report:
        lines.append(f"{report['records']:,} records, {_size(report['bytes'])}")
    for key in ("features", "tags"):
        if key in report and "records" in report:
            lines += [f"  {name}: {kinds}" for name, kinds in report[key].items()]
    return lines


def _graph_lines(graph: dict[str, Any]) -> list[str]:
    lines = []
    if "tags" in graph:
        lines.append(
            f"tags: {', '.join(graph['tags']) or 'none'}; written by TensorFlow {graph['tensorflow']}"
        )
    for name, signature in graph.get("signatures", {}).items():
        lines.append(f"signature {name} ({signature['method']})")
        for side in ("inputs", "outputs"):
            lines += [
                f"  {side[:-1]} {key}: {i['dtype']} {_shape(i['shape'])} {i['name']}"
                for key, i in signature[side].items()
            ]
    if graph["flops"] is not None:
        lines.append(f"{graph['flops']:,} flops in products and convolutions, for one example")
    constants = graph["constants"]
    lines.append(
        f"{graph['nodes']:,} nodes, {graph['functions']} functions, {len(graph['variables'])} variables, "
        f"{constants['parameters']:,} numbers in constants ({_size(constants['bytes'])})"
    )
    for key in ("inputs", "variables"):
        lines += [f"  {key[:-1]} {i['name']}: {i['dtype']} {_shape(i['shape'])}" for i in graph[key]]
    lines.append("outputs: " + (", ".join(graph["outputs"]) or "none"))
    lines.append(_table(("operation", "nodes"), [(k, str(v)) for k, v in graph["operations"].items()]))
    lines.append("operations unknown to millrace: " + (", ".join(graph["unknown"]) or "none"))
    return lines


def _shape(shape: Any) -> str:
    return "unknown" if shape is None else "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"


def _size(size: int | None) -> str:
    if size is None:
        return "text"
    if size < 1024:
        return f"{size} B"
    power = min((size.bit_length() - 1) // 10, 3)
    return f"{size / 1024**power:.1f} {('', 'KiB', 'MiB', 'GiB')[power]}"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads)
    for row in rows:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=None if sys.stdout.isatty() else 160)
    with console.capture() as captured:
        console.print(table, markup=False)
    return captured.get().rstrip("\n")


# --- convert ------------------------------------------------------------------------------------------------


def _convert(chosen: argparse.Namespace) -> str:
    from millrace.saver.conversion import convert
    from millrace.saver.freezing.strip import split_names

    return convert(chosen.source, chosen.target, split_names(chosen.outputs), split_names(chosen.tag_set))


# --- show ---------------------------------------------------------------------------------------------------


def _show(chosen: argparse.Namespace) -> str:
    from millrace.saver.inspection import inspect

    report = inspect(_folder(chosen))
    if report["kind"] != "SavedModel":
        raise ValueError(f"{report['path']} is not a SavedModel but: {report['kind']}")
    graphs = report["graphs"]
    if chosen.tag_set is None and not chosen.all:
        tags = [", ".join(f"'{tag}'" for tag in graph["tags"]) for graph in graphs]
        return "\n".join(["The given SavedModel contains the following tag-sets:", *tags])
    if chosen.tag_set is not None:
        wanted = set(chosen.tag_set.split(","))
        graphs = [graph for graph in graphs if set(graph["tags"]) == wanted]
        if not graphs:
            raise RuntimeError(f"no graph has the tags {chosen.tag_set!r}")
    lines = []
    for graph in graphs:
        signatures = graph["signatures"]
        if chosen.all:
            tags = ", ".join(graph["tags"])
            lines.append(f"MetaGraphDef with tag-set: '{tags}' contains the following SignatureDefs:")
        elif chosen.signature_def is None:
            lines.append("The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:")
            lines += [f'SignatureDef key: "{name}"' for name in signatures]
            continue
        elif chosen.signature_def not in signatures:
            raise ValueError(f"there is no signature {chosen.signature_def!r}, but: {', '.join(signatures)}")
        for name, signature in signatures.items():
            if chosen.signature_def in (None, name):
                lines += _signature_lines(name, signature, chosen.all)
    return "\n".join(lines)


def _signature_lines(name: str, signature: dict[str, Any], titled: bool) -> list[str]:
    lines = [f"\nsignature_def['{name}']:"] if titled else []
    for side in ("inputs", "outputs"):
        lines.append(f"The given SavedModel SignatureDef contains the following {side[:-1]}(s):")
        for key, info in signature[side].items():
            shape = (
                "unknown_rank"
                if info["shape"] is None
                else str(tuple(-1 if d is None else d for d in info["shape"]))
            )
            lines.append(f"  {side}['{key}'] tensor_info:")
            lines += [
                f"      dtype: DT_{info['dtype'].upper()}",
                f"      shape: {shape}",
                f"      name: {info['name']}",
            ]
    return [*lines, f"Method name is: {signature['method']}"]


# --- predict ------------------------------------------------------------------------------------------------


def _predict(chosen: argparse.Namespace) -> str:
    import numpy as np

    from millrace.graph.graph import Graph
    from millrace.saver.saved_model.loader import load
    from millrace.saver.saved_model.signatures import get_tensor_from_tensor_info
    from millrace.session.session import Session

    arrays = _inputs(chosen.inputs, chosen.input_exprs)
    with Graph().as_default() as graph, Session(graph=graph) as session:
        meta = load(session, chosen.tag_set.split(","), _folder(chosen))
        if chosen.signature_def not in meta.signature_def:
            raise ValueError(
                f"there is no signature {chosen.signature_def!r}, but: {', '.join(meta.signature_def)}"
            )
        signature = meta.signature_def[chosen.signature_def]
        strange = sorted(set(arrays) - set(signature.inputs))
        if strange:
            raise ValueError(
                f"the signature takes {', '.join(sorted(signature.inputs))}. Received: {', '.join(strange)}"
            )
        feeds = {get_tensor_from_tensor_info(signature.inputs[name]): value for name, value in arrays.items()}
        fetches = {
            name: get_tensor_from_tensor_info(signature.outputs[name]) for name in sorted(signature.outputs)
        }
        results = session.run(fetches, feeds)
    lines = []
    for name, value in results.items():
        lines.append(f"Result for output key {name}:\n{value}")
        if chosen.outdir:
            path = os.path.join(chosen.outdir, name + ".npy")
            if os.path.exists(path) and not chosen.overwrite:
                raise RuntimeError(f"{path} is there already; --overwrite replaces it")
            os.makedirs(chosen.outdir, exist_ok=True)
            np.save(path, value)
            lines.append(f"Output {name} is saved to {path}")
    return "\n".join(lines)


def _inputs(files: str, expressions: str) -> dict[str, Any]:
    import numpy as np

    arrays: dict[str, Any] = {}
    for part in filter(None, files.split(";")):
        name, _, path = part.partition("=")
        path, _, key = path.strip().partition("[")
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            key = key.rstrip("]") or found.files[0]
            found = found[key]
        arrays[name.strip()] = found
    for part in filter(None, expressions.split(";")):
        name, _, text = part.partition("=")
        arrays[name.strip()] = _value(text.strip())
    return arrays


def _value(text: str) -> Any:
    """A literal, or a call of a function of NumPy that makes an array."""
    import numpy as np

    tree = ast.parse(text, mode="eval").body
    if (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Attribute)
        and ast.unparse(tree.func.value) == "np"
    ):
        if tree.func.attr not in ("ones", "zeros", "full", "arange", "array", "linspace", "eye"):
            raise ValueError(f"np.{tree.func.attr} does not make an array from literals. Received: {text!r}")
        given = {key.arg or "": ast.literal_eval(key.value) for key in tree.keywords}
        return getattr(np, tree.func.attr)(*map(ast.literal_eval, tree.args), **given)
    return ast.literal_eval(tree)
