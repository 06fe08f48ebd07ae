"""What holds for all tests."""

from hypothesis import settings

# How long an example takes depends on what else the machine does, and no test here is about time.
_given = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("headway", parent=_given, deadline=None)
settings.load_profile("headway")
