"""Pure combinations of policies: one step of a loop, the same in production and in the simulator."""
