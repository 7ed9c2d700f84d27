"""A process that the kernel holds, for code that agents write."""
