"""Settings of the whole test run."""

import os

import matplotlib
from hypothesis import settings

matplotlib.use("Agg")
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
