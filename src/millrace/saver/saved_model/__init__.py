"""SavedModels: a graph with its variables, assets and signatures, in one folder."""
