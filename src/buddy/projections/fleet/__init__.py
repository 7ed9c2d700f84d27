"""The projections of a fleet: what its agents did wave by wave, how well, and what follows from it."""
