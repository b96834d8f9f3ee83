"""The simulator: the production policies against the world on virtual time."""
