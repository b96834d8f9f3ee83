"""Models of the outside: GPUs, engines. Seeded, no I/O."""
