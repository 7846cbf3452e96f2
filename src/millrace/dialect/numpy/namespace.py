"""The NumPy dialect: NumPy's own functions, and the verbs that NumPy lacks.

Every name that `numpy` and `jax.numpy` share with one meaning is a verb by itself; `protocol.py` lists the
others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

# The verbs of each family, module `array` with its class `ArrayVerbs` and so on: a program imports the
# families that its operations speak.
FAMILIES = {
    "array": """
        known filled zeros_of updated packed inverse_permutation gathered batch_gathered gathered_nd
        scattered_nd padded repeated chosen window searched flip
    """,
    "control": """
        branch while_loop scan_loop variant_sum variant_zeros stack_concat stack_split ta_new ta_write
        ta_read ta_read_or_zero ta_gather ta_gather_or_zero ta_scatter ta_accumulate ta_accumulate_rows
        ta_concat ta_concat_or_zero ta_split ta_size
    """,
    "conv": """
        conv conv_input_grad conv_filter_grad window_reduce scatter_strided scatter_where scatter_add_flat
        top_k
    """,
    "linalg": """
        mat_product cholesky mat_inverse mat_solve tri_solve det slogdet mat_qr mat_svd mat_eigh mat_lu
        mat_exp least_squares tridiagonal_solve
    """,
    "math": """
        check sigmoid rsqrt power complex real_part imaginary_part cast bits_as lgamma digamma polygamma
        zeta erf erfc igamma igammac betainc bessel_i0e bessel_i1e
    """,
    "random": "repeat_while",
    "reduce": "sum max min",
    "segment": "segment_reduce cumulative",
    "sparse": "sparse_product",
    "state": "scatter_rows writable update_rows",
}
_FAMILY_OF = {verb: family for family, verbs in FAMILIES.items() for verb in verbs.split()}


class NumPyDialect:
    """Verbs on NumPy arrays: those of the families above, and NumPy's functions."""

    name = "numpy"

    def load(self, *families: str) -> None:
        """Imports families before one of their verbs is spoken."""
        for family in families:
            import_module(f"millrace.dialect.numpy.{family}")

    def __getattr__(self, verb: str) -> Any:
        family = _FAMILY_OF.get(verb)
        if family is None:
            found: Any = staticmethod(getattr(np, verb))
        else:
            module = import_module(f"millrace.dialect.numpy.{family}")
            found = vars(getattr(module, f"{family.capitalize()}Verbs"))[verb]
        setattr(NumPyDialect, verb, found)  # the next look-up finds it without this detour
        return getattr(self, verb)

    def adam_at_once(
        self, var: Any, m: Any, v: Any, grad: Any, rate: Any, keep_m: Any, keep_v: Any, epsilon: Any
    ) -> None:
        """None: there is no kernel that does Adam's step in one pass over memory."""


DIALECT = NumPyDialect()
