"""What turns inputs into features: base models that a rule has fitted, and the baselines beside them."""
