"""A transformer of syntax trees."""

import ast

from millrace.lib.platform.syntax_trees import INVALID_SCOPE_CHARACTERS, EntityInfo, Transformer


class Doubling(Transformer):
    def visit_Expr(self, node):
        return [node, node]

    def visit_Pass(self, node):
        return None


def test_statements_become_several_or_none():
    info = EntityInfo("", "", (), {})
    tree = ast.parse("a\npass\nb")
    found = Doubling(info).visit_block(tree.body)
    assert [ast.unparse(node) for node in found] == ["a", "a", "b", "b"]
    assert Doubling(info).ctx is info and INVALID_SCOPE_CHARACTERS.sub("", "a b/c") == "ab/c"
