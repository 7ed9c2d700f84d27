"""The providers there are, by the modules that know them; nothing of them is imported here."""

from collections.abc import Mapping

from msgspec import Struct


class Provider(Struct, frozen=True, kw_only=True):
    """Where the parts of a provider are.

    Attributes:
        contracts: module with `OFFERS`, which needs no more than the default install.
        simulator: module with `simulator(seed, faults)` and `SEED_RATES`; empty where there is none.
        health: module with `async check(access) -> Health`; empty where nothing can be checked.
        login: module with `async sign_in(access, show)`; empty where nobody signs in.
        extra: of this package, which all but the contracts need.
    """

    contracts: str
    simulator: str = ""
    health: str = ""
    login: str = ""
    extra: str = "providers"


_HERE = "buddy.adapters.providers"
PROVIDERS: Mapping[str, Provider] = {
    "gohighlevel": Provider(
        contracts=f"{_HERE}.gohighlevel.contracts",
        simulator=f"{_HERE}.gohighlevel.simulator.app",
        health=f"{_HERE}.gohighlevel.health",
    ),
    "msgraph": Provider(
        contracts=f"{_HERE}.msgraph.contracts",
        simulator=f"{_HERE}.msgraph.simulator.app",
        health=f"{_HERE}.msgraph.health",
        login=f"{_HERE}.msgraph.login",
    ),
    "mployer": Provider(
        contracts=f"{_HERE}.mployer.contracts",
        simulator=f"{_HERE}.mployer.simulator.portal",
        health=f"{_HERE}.mployer.health",
    ),
    "browser": Provider(contracts=f"{_HERE}.browser.contracts", extra="providers,browser"),
}
"""Name -> provider, in the order in which tools and checks list them."""
