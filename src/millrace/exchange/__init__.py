"""Graphs as messages: GraphDef, functions and old control flow, in and out."""
