"""``kubectl wattline``: a cluster seen and steered from outside."""
