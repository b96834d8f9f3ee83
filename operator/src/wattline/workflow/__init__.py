"""Runs the steps of a workflow: decides what is next, asks models through the gateway, runs tools as Jobs."""
