"""What all tests share."""

import os

from hypothesis import settings

# The same examples every time where a change is judged; new ones at a desk.
settings.register_profile("judged", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("judged")
