"""The world behind real interfaces: engines over HTTP, GPUs behind NVML."""
