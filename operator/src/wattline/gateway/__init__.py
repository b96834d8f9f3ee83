"""The reverse proxy that agents call."""
