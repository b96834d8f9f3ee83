"""One file per idea: pure functions from (spec, state, seen) to a decision and its reason."""
