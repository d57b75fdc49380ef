"""Which data need no file? Generators of synthetic images and texts."""
