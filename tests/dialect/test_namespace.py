"""The NumPy dialect imports a family of verbs when one of them is first spoken."""

from importlib import import_module

import numpy as np
import pytest

from millrace.dialect.numpy import namespace


@pytest.mark.parametrize("family", sorted(namespace.FAMILIES))
def test_table_names_every_verb_of_a_family(family):
    module = import_module(f"millrace.dialect.numpy.{family}")
    verbs = vars(getattr(module, f"{family.capitalize()}Verbs"))
    assert sorted(namespace.FAMILIES[family].split()) == sorted(v for v in verbs if not v.startswith("__"))


def test_verbs_and_numpys_functions_are_attributes():
    xp = namespace.DIALECT
    assert xp.add is np.add
    np.testing.assert_array_equal(xp.concatenate([np.ones(1), np.zeros(1)]), [1, 0])
    np.testing.assert_array_equal(xp.known(np.ones(2)), [1, 1])
    with pytest.raises(AttributeError, match="no_such_verb"):
        xp.no_such_verb
