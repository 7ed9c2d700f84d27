"""The addresses of the portal that the client and its guard know."""

SESSION_REQUESTS = (
    ("POST", "/login"),
    ("POST", "/login/password"),
    ("POST", "/login/code"),
    ("POST", "/logout"),
)
"""Requests that open or close a session and change nothing else: DRY_RUN lets them through."""
