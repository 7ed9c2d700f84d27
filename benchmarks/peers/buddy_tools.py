"""The two tools for Buddy: one that goes LIVE by itself, and one that a person must approve."""

from world import act

from buddy import Call, Change, Preview, Restored, Risk, tool


@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions={"act"}, resources=["plain"])
def plain() -> str:
    """Act without asking."""
    return act("plain")


@plain.preview
def _() -> Preview:
    return Preview(changes=[Change("plain", None, "done")])


@plain.undo
def _(call: Call, result: str) -> Restored:
    return Restored()


@tool(risk=Risk.HIGH, effect="write", undo="none", permissions={"act"}, resources=["risky"])
def risky() -> str:
    """Act once a person has approved."""
    return act("risky")


@risky.preview
def _() -> Preview:
    return Preview(changes=[Change("risky", None, "done")])
