"""Public values in one line, and as a small table."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayes_cmoe import Data, frozen_expert, frozen_predictions, variant_named, variants
from bayes_cmoe.shown import html_table
from bayes_cmoe.sweep.presets import preset
from bayes_cmoe.theory.interval import ConfidenceInterval
from tests.report.fakes import comparison_of

DATA = Data(np.arange(200.0).reshape(100, 2), np.linspace(-1, 1, 100), features=("a<b", "dose"))
LINE = frozen_expert("laplace", "linear", {"a": [1.0, 0.0], "b": 0.0}, scale=1.0)
SWEEP = preset("quick")
INTERVAL = ConfidenceInterval(
    {"estimate": 0.3123456, "lower": 0.0, "upper": 0.5, "open_below": True, "open_above": False,
     "profile": ("value", np.arange(100.0))},
    attrs={"name": "lam", "method": "drawn", "level": 0.9},
)  # fmt: skip
VALUES = [
    DATA,
    SWEEP,
    INTERVAL,
    comparison_of(SWEEP),
    LINE,
    frozen_predictions("gaussian", mean=np.zeros(1000), scale=1.0),
    *(value for own in variants().values() for value in (own, own.family, *own.gates)),
    *(own for variant in variants().values() for own in variant.regimes.values()),
]


def test_a_sweep_an_interval_and_a_comparison_say_what_they_are():
    assert "map='n = 10000, 50000, 250000; 40 data sets'" in repr(SWEEP)
    assert f"fits=256, hash={SWEEP.hash}" in repr(SWEEP)
    assert repr(INTERVAL) == (
        "ConfidenceInterval(name=lam, estimate=0.3123, "
        "interval='0, where the range ends to 0.5', level=0.9, method=drawn)"
    )
    assert "<td>0.3123</td>" in INTERVAL._repr_html_()
    assert isinstance(INTERVAL, xr.Dataset)
    # Arithmetic is that of a Dataset, and what it gives can be shown too.
    assert float((INTERVAL * 2.0)["upper"]) == 1.0
    rates = pd.DataFrame({"verdict": ["agrees", "differs", "agrees"]})
    found = replace(comparison_of(SWEEP), rates=rates, waiting={"map": 3})
    assert "fits=0 of 3, rates beside the bound='2 agrees, 1 differs'" in repr(found)


class Balance(HTMLParser):
    """Counts what is open, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_one_line_and_a_small_table(value):
    line = repr(value)
    assert "\n" not in line
    assert "0x" not in line
    assert len(line) < 500
    assert line.startswith(f"{type(value).__name__}(")
    page = Balance()
    page.feed(value._repr_html_())
    assert page.open == []
    assert page.text[0] == type(value).__name__
    for name in value.shown():
        assert name in page.text


def test_what_matters_is_there():
    assert repr(DATA) == "Data(n=100, features=(a<b, dose), y=-1 to 1)"
    assert repr(Data([0.0, 1.0], [0, 1], classes=3)) == "Data(n=2, features=x1, classes=3)"
    assert "a&lt;b" in DATA._repr_html_()
    assert repr(LINE) == (
        "Frozen(expert=laplace with linear mean, columns=(frozen_mean, frozen_scale))"
    )
    regime = variant_named("constant_contaminated").regime("merging")
    assert "alpha=0, gamma=1/8" in repr(regime)


def test_html_is_escaped():
    page = html_table("<t>", ("<h>", "x"), [("<a>", "&")])
    assert page.count("&lt;") == 3
    assert "&amp;" in page
