"""What lives between runs: variables, tables, tensor arrays, handles, and the updates of optimizers."""
