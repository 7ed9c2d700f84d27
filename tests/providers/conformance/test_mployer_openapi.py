"""schemathesis over the description that the portal publishes: no server error, no undocumented answer."""

import os
from typing import Any

import pytest

from buddy.adapters.providers.mployer.simulator.portal import COOKIE, simulator

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (group conformance)")
checks = pytest.importorskip("schemathesis.checks")
from hypothesis import HealthCheck, settings  # noqa: E402 (after what may skip the file)

PORTAL = simulator(5)
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
schema = schemathesis.openapi.from_asgi("/_sim/openapi.json", PORTAL)


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: Any) -> None:
    accounts = PORTAL.portal.accounts
    cookie = accounts.begin(accounts.login.username)
    visit, _ = accounts.visit(cookie)
    assert visit is not None
    visit.signed_in = case.path != "/login/code"
    if case.path_parameters and "employer_id" in case.path_parameters:
        case.path_parameters["employer_id"] = PORTAL.portal.world.employers[0].employer_id
    answer = case.call(cookies={COOKIE: cookie}, allow_redirects=False)
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.specs.openapi.checks.status_code_conformance,
            schemathesis.specs.openapi.checks.content_type_conformance,
            schemathesis.specs.openapi.checks.response_schema_conformance,
        ],
    )
