"""AutoGraph: Python's `if`, `while`, `for`, `and`, `or` and `not` of tensors as operations of the graph.

A function is converted when it is called for the first time: its syntax tree is taken from its source
(`source.py`), jumps become flags (`jumps.py`), statements become functions that an operator calls
(`statements.py`, `expressions.py`), and the tree is compiled under its own file and lines. The operators
(`branches.py`, `loops.py`, `logic.py`) decide by the value at hand: Python's own statement where it is
Python's, `tf.cond` and `tf.while_loop` where it is a tensor.
"""
