"""What holds for all tests."""

import signal

from hypothesis import settings

# A shell starts what runs in its background with Ctrl-C ignored, and so would run the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does, and no test here is about time.
settings.register_profile("headway", parent=settings.default, deadline=None)
settings.load_profile("headway")
