"""Common to all tests: the repository's root is on the path, Hypothesis has no deadline on a shared machine.

The examples of a test are the same in every run, so that a change is judged by its own faults; PINTLE_EXPLORE=1 looks
for new ones.
"""

import os

from hypothesis import HealthCheck, settings

EXPLORE = os.environ.get("PINTLE_EXPLORE") == "1"
settings.register_profile(
    "pintle", deadline=None, derandomize=not EXPLORE, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pintle")
