"""What does a grid of runs show? Ablations and comparisons of estimators, with confidence intervals."""
