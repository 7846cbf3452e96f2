"""The border of functions that are compiled as a whole."""

from __future__ import annotations

from millrace.core.dtypes import ALL
from millrace.graph.opdef import declare


@declare("XlaClusterOutput(input: T) -> outputs: T", T=ALL)
class XlaClusterOutput:
    """A value that leaves a compiled function."""

    def shape(input):
        return input

    def kernel(xp, input):
        return input

    def grad(op, d):
        raise RuntimeError(
            "gradients of what xla.compile() gives cannot be taken outside of it; take them inside of the "
            f"computation. Received: {op.name!r}"
        )
