"""Grafana dashboards and the metrics reference, made from the code; no part of what is installed.

`python -m dashboards` writes them, `--check` says what differs.
"""
