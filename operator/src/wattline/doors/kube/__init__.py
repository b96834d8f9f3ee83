"""The Kubernetes API: what the operator, the gateway and the agents read and write there. Needs aiohttp alone."""
