"""Does a class of one's own do what its interface promises? Checks to be run in a test, or at a command's door."""
