"""What is left behind: run folders, rule files, checkpoints, metrics, tables."""
