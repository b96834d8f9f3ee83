"""Labels, taints and gates by which Wattline and a cluster know each other's things."""

MANAGED = "wattline.dev/managed"
"""Label of a node: ``true`` opts it in."""

HELD = "wattline.dev/held"
"""Label of a node, ours: ``true`` from before its first enforcing order until its GPUs are put back."""

UNCAPPED = "wattline.dev/uncapped"
"""Taint of an opted-in node whose GPUs are not read back under an enforced domain; keeps new pods away."""

PLACEMENT = "wattline.dev/placement"
"""Scheduling gate of a pod that waits for us to choose its nodes."""

POOL = "wattline.dev/pool"
"""Label of a pod that we made: the name of its InferencePool."""

MANAGER = "wattline-operator"
"""Field manager of everything the operator writes."""

LEADER = "wattline-operator"
"""Lease whose holder acts."""

DOMAIN_LEASE = "wattline-domain-"
"""Name of a root domain's Lease is this and the domain's name."""

GPU = "nvidia.com/gpu"
"""Resource a device plugin hands out."""
