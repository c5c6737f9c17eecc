"""The page of a sweep: what it says, and how a browser shows it."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.finding import finding
from bayes_cmoe.report.images import HEAVY, drawn
from bayes_cmoe.report.sweep_figures import picture_name
from bayes_cmoe.report.sweep_page import sweep_page
from bayes_cmoe.report.sweep_parts import failed_fits, kind_of, progress, regimes
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.presets import preset
from bayes_cmoe.sweep.setting import Setting
from tests.report.browser import browser, looked_at

__all__ = ["browser"]

REGIMES = ("constant_contaminated/distinguishable", "softmax_contaminated/merging[gamma=1/16]")
PARAMETERS = ("share", "expert")
HOSTILE = "<script>alert('x')</script> & \"quotes\" " + "long" * 40
DESIGN = Design(
    "<i>odd</i> & name",
    tuple(Setting.parse(label) for label in REGIMES),
    map=MapPlan((1000, 31623), 2, starts=2),
    nuts=NutsPlan((250,), 1),
    entropy=7,
)


def fits(finished=slice(None)):
    """A table in which the last MAP fit of each regime failed."""
    cells = [
        (method, label, n, replicate)
        for method, plan in DESIGN.plans.items()
        for label in REGIMES
        for n in plan.sizes
        for replicate in range(plan.replications)
    ][finished]
    method, setting, n, replicate = zip(*cells, strict=True)
    bad = [(n == 31623) and (replicate == 1) for _, _, n, replicate in cells]
    good = ["converged" if one == "map" else "sampled" for one in method]
    coords = {
        "method": ("fit", np.array(method, dtype=object)),
        "setting": ("fit", np.array(setting, dtype=object)),
        "n": ("fit", list(n)),
        "replicate": ("fit", list(replicate)),
        "entropy": ("fit", np.full(len(cells), 7, dtype=np.uint64)),
    }
    status = np.array(["failed" if b else g for b, g in zip(bad, good, strict=True)], dtype=object)
    message = np.array([HOSTILE if b else "" for b in bad], dtype=object)
    return xr.Dataset({"status": ("fit", status), "message": ("fit", message)}, coords=coords)


def theory(label, reason=""):
    targets = np.array(PARAMETERS, dtype=object)
    return xr.Dataset(
        {
            "formula": ("target", np.array(["-1/2 + 2 gamma", ""], dtype=object)),
            "source": ("target", np.array(["a paper <1>", ""], dtype=object)),
        },
        coords={"target": targets},
        attrs={
            "setting": label, "reason": reason, "share": "share", "share_parameter": "share",
        },
    )  # fmt: skip


def a_rate(regime, method, parameter, verdict="agrees", local=True):
    nan = float("nan")
    known = {
        "local_from": 1000.0, "local_sizes": 2, "local_slope": -0.51, "local_low": -0.6,
        "local_high": -0.4, "local_bound_slope": -0.5, "local_verdict": "differs",
        "local_says": "differs by -0.010 +- 0.004", "local_exponent_verdict": "undecided",
    }  # fmt: skip
    words = ("local_verdict", "local_says", "local_exponent_verdict")
    unknown = dict.fromkeys(known, nan) | dict.fromkeys(words, "") | {"local_sizes": 0}
    return {
        "regime": regime, "method": method, "parameter": parameter, "slope": -0.4321, "low": -0.5,
        "high": -0.3, "bound_slope": nan, "exponent": -0.375, "exponent_lower": -0.375,
        "modulus_slope": -0.3456, "efficiency": 0.987,
        "verdict": verdict, "says": f"{verdict}, -0.012 +- 0.004 off", "needed": nan,
        "exponent_verdict": "undecided", "power": 0.77,
        "exponent_says": "undecided: about 120 data sets would decide",
        "efficiency_low": 0.9, "efficiency_high": 1.1, "median_slope": -0.4,
        **(known if local else unknown),
    }  # fmt: skip


def an_error(regime, method, parameter, n):
    return {
        "regime": regime, "method": method, "parameter": parameter, "n": n, "rmse": 1.5e-5,
        "low": 1e-5, "high": 2e-5, "bound": 1.4e-5, "fits": 2, "failures": 1, "median": 1e-5,
        "efficiency": 0.93, "resolution": 7.0, "edge": 0.5,
    }  # fmt: skip


def frames():
    every = list(itertools.product(REGIMES, DESIGN.plans, PARAMETERS))
    level = (0.5, 0.8, 0.9)
    return {
        "rates": pd.DataFrame([a_rate(*one, local=one[1] == "map") for one in every]),
        "errors": pd.DataFrame(
            [an_error(*one, n) for one in every for n in DESIGN.plans[one[1]].sizes]
        ),
        "coverage": pd.DataFrame(),
        "pooled": pd.DataFrame(
            [
                {"regime": label, "over": "all sizes", "level": p, "covered": p, "low": p,
                 "high": 1.0, "fits": 2}
                for label in REGIMES
                for p in level
            ]
        ),
        "spread": pd.DataFrame(
            [{"regime": REGIMES[0], "parameter": "share", "n": 250, "sd_over_bound": 1.1,
              "radius": 0.3, "radius_limit": 0.2}]
        ),
        "sampling": pd.DataFrame(
            [{"regime": REGIMES[0], "n": 250, "fits": 41, "weighted": 31, "sampled": 9,
              "unmixed": 1, "divergences": 3,
              "ess_bulk": 99.0, "seconds": 1.0}]
        ),
        "agreement": pd.DataFrame(
            [{"regime": REGIMES[0], "n": 1000, "fits": 2, "same": 0.5, "better": 0.5,
              "worse": 0.0}]
        ),
        "statuses": pd.DataFrame(
            [{"regime": label, "method": "map", "n": 1000, "status": code, "fits": 1}
             for label in REGIMES for code in ("converged", "failed")]
        ),
    }  # fmt: skip


def a_comparison(table=None, **others):
    bounds = {label: theory(label) for label in REGIMES}
    return Comparison(
        design=DESIGN,
        table=fits() if table is None else table,
        **{"bounds": bounds, **frames(), **others},
    )


def a_figure(points=2):
    figure = Figure(figsize=(9, 3))
    axes = figure.subplots()
    axes.plot(np.sin(np.arange(points)), "x")
    axes.set_xlabel("n (rows)")
    figure.suptitle("Error of <the> MAP")
    return figure


LEAD = [picture_name("errors", setting, "share") for setting in DESIGN.settings]
PICTURES = {name: a_figure() for name in (*LEAD, "coverage-one-share")}
SHOWN = 2 * len(LEAD) + 1
"""The share's pictures stand at the top, and with the other parameters' below."""


@pytest.fixture(scope="module")
def page():
    return sweep_page(a_comparison(), drawn(PICTURES))


def test_text_is_escaped(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp;" in page
    assert "<i>odd" not in page
    assert "&lt;i&gt;odd&lt;/i&gt; &amp; name" in page


def test_nothing_is_asked_for_from_elsewhere(page):
    named = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'>]*)|url\(([^)]*)\)|@import""", page)
    assert len(named) > len(PICTURES)
    assert all(one[0].startswith(("#", "data:")) for one in named)


def test_every_failed_fit_is_there_with_what_draws_it_again(page):
    failed = failed_fits(DESIGN, fits())
    assert list(failed["regime"]) == list(REGIMES)
    for setting, key in zip(DESIGN.settings, failed["spawn_key"], strict=True):
        assert key == " ".join(map(str, DESIGN.seed(setting, 31623, 1).spawn_key))
        assert f"7; {key}" in page
    assert 'variant="constant_contaminated"' in page
    assert "n=31623" in page


def test_a_run_that_is_not_finished_is_said_to_be(page):
    assert "not finished" not in page
    table = fits(slice(0, 5))
    assert [own["finished"] for own in progress(DESIGN, table, {})] == [5, 0]
    partial = sweep_page(a_comparison(table, waiting={"map": 3, "nuts": 2}), {})
    assert "not finished:</strong> 5 of 10 fits (50 %)" in partial
    assert "MAP 5 of 8, NUTS 0 of 2" in partial


def cells(*pairs):
    """Cells of a table as the page has them: column, number, column, number."""
    named = zip(pairs[::2], pairs[1::2], strict=True)
    return "".join(f'<td data-label="{name}" class="num">{number}</td>' for name, number in named)


def test_fits_are_counted_by_engine_where_a_design_names_one(page):
    """Thirty-one weighted fits and nine sampled ones, of 41."""
    assert cells("fits", 41, "not mixed", 1) in page
    assert "nested Laplace" not in page
    assert DESIGN.nuts is not None
    other = replace(DESIGN, nuts=replace(DESIGN.nuts, engine="nested"))
    named = sweep_page(replace(a_comparison(), design=other), {})
    assert cells("fits", 41, "nested Laplace", 31, "NUTS", 9) in named
    assert "in place of which stand as many draws by nested Laplace" in named


def test_a_page_can_be_made_of_next_to_nothing():
    """One size of one regime: no rates, no NUTS, and no bound."""
    nothing = {name: pd.DataFrame() for name in frames()}
    errors = pd.DataFrame([an_error(REGIMES[0], "map", "share", 1000)])
    bounds = {label: theory(label, "the information is <singular>") for label in REGIMES}
    statuses = frames()["statuses"].head(1)
    few = nothing | {"errors": errors, "statuses": statuses, "bounds": bounds}
    page = sweep_page(a_comparison(fits(slice(0, 1)), **few), {})
    assert "fewer than two sizes are finished" in page
    assert "the information is &lt;singular&gt;" in page


def test_the_page_opens_with_what_was_found_and_shows_it():
    comparison = a_comparison()
    page = sweep_page(comparison, drawn(PICTURES))
    places = [
        page.index("In the prompt&#39;s share the MAP&#39;s error falls as n<sup>−0.51</sup>"),
        page.index("not, at the sizes at which theory is local: at n = 31,623 it is 1 times as"),
        page.index("Over the sizes at which theory is local, of 4 measured rates 0 agree"),
        page.index("Over all sizes, of 8 measured rates 8 agree with the information bound&#39;s"),
        page.index("MAP has 2 data sets and NUTS has 1 data set of each size: intervals from so"),
        *(page.index(drawn(PICTURES)[name].source) for name in LEAD),
        page.index("<nav"),
        page.index("Rates side by side</h2>"),
        page.index("How to read it</h2>"),
    ]
    assert places == sorted(places)
    assert page.index("<details>") > places[-3]


def test_few_data_sets_are_said_to_be_few_and_many_are_not():
    many = replace(DESIGN, map=MapPlan((1000, 31623), 11), nuts=NutsPlan((250,), 10))
    *_, caution = finding(replace(a_comparison(), design=many))
    assert caution.startswith("NUTS has 10 data sets of each size")


def test_without_local_sizes_what_is_found_is_found_over_all():
    every = frames()["rates"]
    nowhere = every.assign(local_slope=np.nan, local_verdict="")
    share, counted, _ = finding(a_comparison(rates=nowhere))
    assert share.startswith("In the prompt's share the MAP's error falls as n^-0.43 where")
    assert "where they are not: at n" in share
    assert counted.startswith("Of 8 measured rates 8 agree")
    same = every.assign(local_verdict=every["verdict"], local_needed=every["needed"])
    assert finding(a_comparison(rates=same))[1].startswith("Of 8 measured rates 8 agree")


@pytest.mark.parametrize(("open_", "words"), [(1, "1 is undecided"), (3, "3 are undecided")])
def test_what_would_decide_is_said_of_one_rate_or_of_half_of_several(open_, words):
    every = frames()["rates"].assign(local_verdict="")
    some = np.arange(len(every)) < open_
    verdicts = np.where(some, "undecided", every["verdict"])
    rates = every.assign(verdict=verdicts, needed=np.where(some, 120.0, 1.0))
    which = "it" if open_ == 1 else "half of them"
    counted = finding(a_comparison(rates=rates))[1]
    assert f"{words} (about 120 data sets of each size would decide {which})" in counted


def test_a_method_of_one_size_has_no_range(page):
    assert "n = 250 <small>1 size, 1 data set of each" in page
    assert "… 31\u202f623 <small>2 sizes" in page


def test_numbers_stand_as_they_should(page):
    assert page.count("−0.432") == 2 * 8  # side by side, and in full
    assert "−3/8" in page
    assert "−1/2 + 2 γ" in page
    assert "1.50 × 10⁻⁵" in page
    assert "no local size" in page


def test_what_is_counted_has_its_number(page):
    assert "1 prompt, tanh; frozen" in page
    assert "2 data sets of each size" in page
    assert "; 1 data set of each size" in page
    several = Design("s", (Setting.parse("softmax_several_prompts/distinguishable"),), DESIGN.map)
    (row,) = regimes(several)
    assert row["prompts"] == 2


def test_regimes_are_told_apart_by_their_rates():
    found = {setting.label: kind_of(setting) for setting in preset("regimes").settings}
    assert found["constant_contaminated/linear-vs-tanh"] == "distinguishable"
    assert found["constant_contaminated/vanishing-merging"] == "non-distinguishable"
    assert found["softmax_contaminated/vanishing"] == "no published rate"


def test_a_heavy_figure_is_shown_as_png():
    light, heavy = drawn({"light": a_figure(), "heavy": a_figure(9000)}).values()
    assert len(heavy.svg) > HEAVY > len(light.svg)
    assert light.source.startswith("data:image/svg+xml;")
    assert heavy.source.startswith("data:image/png;")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_a_browser_shows_it_all(browser, page, tmp_path, width, dark):
    seen = looked_at(browser, page, tmp_path, width, dark)
    assert (seen["width"], seen["dark"]) == (width, dark)
    assert seen["overflow"] == 0
    assert seen["loose"] == []
    if width == 390:
        assert seen["moved"] == []
        assert seen["unnamed"] == 0
    assert seen["asked"] == []
    assert len(seen["images"]) == SHOWN
    assert all(across > 0 and down > 0 and said for across, down, said in seen["images"])
    assert seen["dead"] == []
    assert (seen["scopeless"], seen["twice"]) == (0, 0)
    # A heading, and a row for each method and parameter.
    assert len(seen["rows"]) == len(REGIMES)
    assert set(seen["rows"].values()) == {1 + 2 * len(PARAMETERS)}
    for word in (*(setting.regime for setting in DESIGN.settings), HOSTILE, "jackknife"):
        assert word in seen["text"]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def test_colours_can_be_read_in_light_and_dark(page):
    """Contrast as WCAG 2.1 has it: 4.5 for text of this size."""
    schemes = [dict(re.findall(r"--([\w-]+): (#\w{6})", own)) for own in
               re.findall(r":root \{(.*?)\}", page, re.DOTALL)[:2]]  # fmt: skip
    for colours in schemes:
        pairs = itertools.product(
            ("ink", "soft", "link", "good", "fair", "early", "bad", "mute"),
            ("page", "card", "head", "zebra"),
        )
        for text, ground in [*pairs, ("warn-ink", "warn")]:
            bright, dim = sorted((luminance(colours[text]), luminance(colours[ground])))[::-1]
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (text, ground)
