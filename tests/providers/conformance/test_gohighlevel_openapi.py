"""schemathesis over the description that the simulator publishes: no server error, no undocumented answer."""

import os
from typing import Any

import pytest

from buddy.adapters.providers.gohighlevel.simulator.app import simulator

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (group conformance)")
checks = pytest.importorskip("schemathesis.checks")
from hypothesis import HealthCheck, settings  # noqa: E402 (after what may skip the file)

SIMULATOR = simulator(5, limit=(0, 1.0))
GREETING = SIMULATOR.greeting("http://s")
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
schema = schemathesis.openapi.from_asgi("/_sim/openapi.json", SIMULATOR)


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: Any) -> None:
    known = SIMULATOR.state()["contacts"]
    if case.path_parameters and "contactId" in case.path_parameters and known:
        case.path_parameters["contactId"] = known[0]["id"]  # else nothing but 400 would be seen
    if isinstance(case.body, dict) and "locationId" in case.body:
        case.body["locationId"] = GREETING["location_id"]
    if case.query and "locationId" in case.query:
        case.query["locationId"] = GREETING["location_id"]
    answer = case.call(headers={"Authorization": f"Bearer {GREETING['token']}"})
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.specs.openapi.checks.status_code_conformance,
            schemathesis.specs.openapi.checks.content_type_conformance,
            schemathesis.specs.openapi.checks.response_schema_conformance,
        ],
    )
