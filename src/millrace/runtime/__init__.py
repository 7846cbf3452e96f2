"""The way from a graph to values: plans, the interpreter, the compiled tier, and where state lives."""
