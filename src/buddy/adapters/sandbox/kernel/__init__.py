"""What the kernel is asked to hold: filters, Landlock, namespaces, limits. Standard library only."""
