"""The one real side of each outside thing."""
