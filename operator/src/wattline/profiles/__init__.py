"""From measured points to a ModelProfile: readers, the fit, and what it cannot know."""
