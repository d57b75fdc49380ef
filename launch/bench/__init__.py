"""How fast is it? The workloads of `metarule bench`."""
