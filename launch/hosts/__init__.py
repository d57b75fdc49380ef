"""Who shares the work: cores, devices, processes, and what happens when one is lost."""
