"""The rooms: one module for each family of operations, each operation declared whole in one place."""
