"""Pictures of what a rule does, each with the numbers in it and a sentence that explains it."""
