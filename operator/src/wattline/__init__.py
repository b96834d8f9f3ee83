"""Wattline: fleets of LLM agents inside the power and cooling a cluster has."""
