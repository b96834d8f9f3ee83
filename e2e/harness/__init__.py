"""A real Kubernetes for the end-to-end tests: started, used and taken away without a trace."""
