"""Small designs of one regime at two exponents: a test process compiles one model."""

from fractions import Fraction

import xarray as xr

from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.setting import Setting

FAR = Setting("constant_contaminated", "distinguishable")
FADING = Setting("constant_contaminated", "distinguishable", alpha=Fraction(1, 8))
NEAR = Setting("constant_contaminated", "merging")
TINY = Design("tiny", (FAR,), map=MapPlan((300, 100_000), 5))
BOTH = Design(
    "both",
    (FAR, FADING),
    map=MapPlan((300, 40_000), 4, starts=1, starts_up_to=300),
    nuts=NutsPlan((300,), 2, draws=60, tune=60, keep_draws=20),
)


def measured(table: xr.Dataset) -> xr.Dataset:
    """What must be the same again: everything but the time that it took."""
    return table.drop_vars("seconds")
