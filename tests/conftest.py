"""Common to all tests: the repository's root is on the path, Hypothesis has no deadline on a shared machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("pintle", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pintle")
