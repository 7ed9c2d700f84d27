"""A real browser, held by the mode of each call."""
