"""Why is a second start quicker? Deleting this room changes no number."""
