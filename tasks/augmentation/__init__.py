"""How do tasks vary their images? Augmentations whose style a task draws and whose coefficients an example draws."""
