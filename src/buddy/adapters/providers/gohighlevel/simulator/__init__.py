"""GoHighLevel, simulated: contacts and what hangs on them, in both of the vendor's dialects."""
