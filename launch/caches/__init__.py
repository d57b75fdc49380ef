"""Why is a second start quicker? Compiled programs are cached on disk; without the caches no result changes."""
