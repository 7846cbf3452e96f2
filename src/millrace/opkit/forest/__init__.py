"""Random forests as operations keep them: trees, what their leaves have seen, examples."""
