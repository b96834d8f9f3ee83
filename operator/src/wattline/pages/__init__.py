"""Pages that need nothing else: HTML with its style and plots inside."""
