"""What people do with providers: serve a simulator, look whether they can be used, get a client."""

import asyncio
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buddy.adapters.providers.base.errors import ExtraMissing
from buddy.adapters.providers.base.extras import part
from buddy.adapters.providers.base.health import Health
from buddy.adapters.providers.catalogue import PROVIDERS, Provider
from buddy.errors import BadInput
from buddy.wiring.offered import access
from buddy.wiring.session import environment_dry_run

if TYPE_CHECKING:
    from buddy.adapters.providers.gohighlevel.client import GoHighLevelClient
    from buddy.adapters.providers.mployer.client import MployerClient
    from buddy.adapters.providers.msgraph.client import GraphClient


def simulated() -> list[str]:
    """Return the names of the providers that can be simulated."""
    return [name for name, one in PROVIDERS.items() if one.simulator]


def simulate(
    name: str,
    *,
    host: str,
    port: int,
    seed: int,
    faults: str,
    latency: str,
    codes_to: str = "",
    say: Callable[[Mapping[str, Any]], object],
) -> None:
    """Serve a simulator until the process is told to stop.

    Args:
        name: of the provider.
        host: address to listen at.
        port: 0 takes a free one.
        seed: of its data, ids and faults.
        faults: `none`, `seeds`, or rates such as `429=0.05,500=0.02`, and `lag=SECONDS`.
        latency: milliseconds that every answer takes, `20` or `20-200`.
        codes_to: address that sign-in codes are mailed to by POST; empty: none are asked for.
        say: is given, once it answers, what a client needs.

    Raises:
        BadInput: a value does not fit, the address is taken, or the extra is not installed.
    """
    provider = PROVIDERS[name]
    module = _module(provider, provider.simulator)
    from buddy.adapters.providers.base import faults as rules
    from buddy.adapters.providers.base import serving

    try:
        asked = rules.parse(faults, module.SEED_RATES)
    except ValueError as problem:
        raise BadInput(f"--faults: {problem}") from problem
    wanted = replace(asked, latency_s=_latency(latency), seed=seed)
    more = {}
    if codes_to:
        if not hasattr(module, "mail_to"):
            raise BadInput(f"--codes-to: expected a service that mails sign-in codes, found {name}")
        more = {"deliver": module.mail_to(codes_to)}
    serving.serve(module.simulator(seed, wanted, **more), host=host, port=port, say=say)


def _latency(text: str) -> tuple[float, float]:
    low, dash, high = text.partition("-")
    try:
        edges = float(low) / 1000, float(high if dash else low) / 1000
    except ValueError:
        edges = -1.0, -1.0
    if not 0 <= edges[0] <= edges[1] <= 3_600:
        raise BadInput(f"--latency: expected milliseconds such as 20 or 20-200, found {text!r}")
    return edges


def check_providers() -> list[Health]:
    """Look, by reading alone, whether each provider can be used from here."""
    known = access(os.environ)

    async def all_of_them() -> list[Health]:
        found = []
        for name, one in PROVIDERS.items():
            if one.health:
                found.append(await _health(name, one, known))
        return found

    return asyncio.run(all_of_them())


async def _health(name: str, provider: Provider, known: Any) -> Health:
    try:
        module = _module(provider, provider.health)
    except BadInput as problem:
        return Health(provider=name, configured=False, problem=str(problem))
    health: Health = await module.check(known)
    return health


def get_gohighlevel_client() -> "GoHighLevelClient":
    """Return a client of GoHighLevel: of a simulator where `DRY_RUN` is set, else of the vendor.

    Raises:
        AuthError: names the credentials that are missing.
        BadInput: the extra is not installed.
    """
    module = _module(PROVIDERS["gohighlevel"], "buddy.adapters.providers.gohighlevel.client")
    from buddy.model.mode import Mode

    client: GoHighLevelClient = (
        module.GoHighLevelClient(mode=Mode.MOCK)
        if environment_dry_run()
        else module.GoHighLevelClient(module.account(access(os.environ)))
    )
    return client


def get_msgraph_client() -> "GraphClient":
    """Return a client of Microsoft Graph mail: of a simulator where `DRY_RUN` is set, else of the vendor.

    Raises:
        AuthError: names the credentials that are missing.
        BadInput: the extra is not installed.
    """
    module = _module(PROVIDERS["msgraph"], "buddy.adapters.providers.msgraph.account")
    from buddy.model.mode import Mode

    mode = Mode.MOCK if environment_dry_run() else Mode.LIVE
    client: GraphClient = module.client(mode, access(os.environ))
    return client


def get_mployer_client() -> "MployerClient":
    """Return a client of Mployer: of a simulated portal where `DRY_RUN` is set, else of the real one.

    Raises:
        AuthError: names the credentials that are missing.
        BadInput: the extra is not installed.
    """
    module = _module(PROVIDERS["mployer"], "buddy.adapters.providers.mployer.account")
    from buddy.model.mode import Mode

    client: MployerClient = (
        module.simulated() if environment_dry_run() else module.client(access(os.environ), Mode.LIVE)
    )
    return client


def sign_in(name: str, show: Callable[[str], object]) -> None:
    """Let a person sign in to a provider, and keep what that gives in Buddy's home.

    Args:
        name: of the provider.
        show: is given what the person has to do.

    Raises:
        BadInput: nobody signs in to that provider, or the extra is not installed.
        AuthError: what is needed to sign in is missing, or the person declined.
    """
    logins = [one for one, provider in PROVIDERS.items() if provider.login]
    if name not in logins:
        raise BadInput(f"providers login: expected one of {', '.join(logins)}, found {name!r}")
    module = _module(PROVIDERS[name], PROVIDERS[name].login)
    asyncio.run(module.sign_in(access(os.environ), show))


def _module(provider: Provider, name: str) -> ModuleType:
    """Import a part of a provider.

    Raises:
        BadInput: a package that it needs is not installed; names the extra.
    """
    try:
        return part(name, name.split(".")[3], provider.extra)
    except ExtraMissing as problem:
        raise BadInput(str(problem)) from problem
