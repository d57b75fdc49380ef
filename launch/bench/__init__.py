"""What `metarule bench` measures, and how."""
