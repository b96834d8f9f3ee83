"""The kinds of group ``wattline.dev/v1alpha1``: the one definition of every field."""
