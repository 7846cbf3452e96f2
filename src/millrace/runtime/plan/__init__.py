"""Plans: what has to run, in which order, simplified, priced and cut into segments."""
