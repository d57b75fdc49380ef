"""What does a rule do? Figures, each with its numbers and a caption."""
