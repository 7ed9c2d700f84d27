"""Time, names and secrets, as the machine gives them."""

from buddy.adapters.system.clock import EPOCH, RealClock, VirtualClock, VirtualLoop, run_virtual
from buddy.adapters.system.ids import RandomIds, SeededIds
from buddy.adapters.system.secrets import EnvSecrets

__all__ = [
    "EPOCH",
    "EnvSecrets",
    "RandomIds",
    "RealClock",
    "SeededIds",
    "VirtualClock",
    "VirtualLoop",
    "run_virtual",
]
