"""Estimators of the meta-gradient: one interface, many trades of bias, variance and memory."""
