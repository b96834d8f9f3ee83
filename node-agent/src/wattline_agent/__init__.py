"""Holds the clocks, power limits and temperatures of one node's GPUs."""
