"""The people around a run: policy files, callbacks, and who is told."""

from buddy.adapters.people.deciders import Around, Quiet, read_policy

__all__ = ["Around", "Quiet", "read_policy"]
