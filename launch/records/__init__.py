"""What does a run leave behind? Run folders, rule files, checkpoints, metrics and tables."""
