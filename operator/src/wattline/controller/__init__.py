"""The reconcile loop: see, decide, act."""
