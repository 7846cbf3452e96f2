"""What a dataset is when it runs: recipes, and the stages that an iterator is made of."""
