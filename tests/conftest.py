"""What holds for all tests: they run on machines that are busy with others, so nothing depends on how long it takes."""

from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
