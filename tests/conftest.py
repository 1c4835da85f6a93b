"""What holds for every test."""

from hypothesis import settings

# A test may stand still while others run: how long one example takes says nothing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
