"""Control flow as programs write it: branches, loops, functional maps, tensor arrays, custom gradients."""
