"""Who shares the work? Cores, devices and processes, and what happens when a process is lost."""
