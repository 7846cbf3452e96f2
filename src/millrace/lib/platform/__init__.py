"""What a program needs of its surroundings: flags, logging, files, printing."""
