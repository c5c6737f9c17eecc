"""Reports of mixtures of trainable experts alone: what they lead with is a loss."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_cmoe.report.finding import finding
from bayes_cmoe.report.sweep_figures import _mark
from bayes_cmoe.report.sweep_parts import kind_of, leading
from bayes_cmoe.report.sweep_trees import parameters_of
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.setting import Setting

EXACT, OVER = (Setting("softmax_gaussian_moe", name) for name in ("exact", "over-3"))
PROMPT = Setting("softmax_contaminated", "distinguishable")
OWN = ["beta[x1]", "beta", "tau", "a", "b", "nu", "exp_tau", "expert", "loss"]
FURTHER = ["tilt-free", "masses", "beta-spread", "a-spread", "b-spread", "nu-spread"]


def theory(names: list[str]) -> xr.Dataset:
    shares = {"share": "exp_tau", "share_parameter": "tau"}
    return xr.Dataset(coords={"target": np.array(names, dtype=object)}, attrs=shares)


def test_what_is_drawn_begins_with_the_loss_and_has_nothing_of_a_set() -> None:
    assert leading(EXACT, theory(OWN)) == leading(OVER, theory(OWN)) == "loss"
    assert leading(PROMPT, theory(OWN)) == "exp_tau"
    rest = ["beta", "a", "b", "nu", "expert"]
    assert parameters_of(EXACT, theory(OWN)) == ["loss", "exp_tau", *rest]
    assert parameters_of(PROMPT, theory(OWN)) == ["exp_tau", *rest]
    assert parameters_of(OVER, theory(OWN + FURTHER)) == ["loss", *FURTHER]
    assert kind_of(EXACT) == "distinguishable"
    assert kind_of(OVER) == "non-distinguishable"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_finding_sets_fits_with_more_experts_beside_those_with_as_many(order) -> None:
    slopes = {EXACT: ("loss", -0.51), OVER: ("loss", -0.37)}
    settings = tuple(slopes)
    rates = pd.DataFrame(
        {
            "regime": own.label, "method": "map", "parameter": name, "slope": value,
            "local_slope": np.nan, "verdict": "no theory", "local_verdict": "",
        }
        for own, (name, value) in slopes.items()
    )  # fmt: skip
    design = Design("x", tuple(settings[i] for i in order), map=MapPlan((100, 1000), 40))
    bounds = {own.label: theory(OWN) for own in slopes}
    comparison = SimpleNamespace(rates=rates, design=design, bounds=bounds, errors=pd.DataFrame())
    assert finding(comparison)[0] == (
        "In the loss between mixing measures the MAP's error falls as n^-0.51 where the fit has as "
        "many experts as the truth, and as n^-0.37 where it has more."
    )


def test_a_rate_is_said_to_be_derived_where_it_is() -> None:
    tilt = Setting("softmax_gaussian_moe", "tilt-4").study
    assert _mark(OVER.study, "loss") == "published"
    assert _mark(OVER.study, "b-spread") == "derived"
    assert _mark(tilt, "loss") == "derived"
    assert _mark(tilt, "D2") == "published"
    assert _mark(EXACT.study, "beta") == "published"
