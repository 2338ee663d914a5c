"""Properties are repeatable: the same examples every time, unless somebody goes looking for new ones.

HYPOTHESIS_PROFILE=explore draws fresh and far more examples.
"""

import os

from hypothesis import HealthCheck, settings

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def load() -> None:
    settings.register_profile(
        "repeatable",
        derandomize=True,
        deadline=None,
        database=None,
        max_examples=40,
        suppress_health_check=SLOW_IS_FINE,
    )
    settings.register_profile(
        "explore",
        deadline=None,
        database=None,
        max_examples=int(os.environ.get("EXAMPLES", "3000")),
        suppress_health_check=SLOW_IS_FINE,
    )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
