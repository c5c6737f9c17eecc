"""The analyses run end to end and find what they say they find."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import palmerpenguins
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import binom, norm
from sklearn.metrics import roc_auc_score

from bayes_cmoe import variant_named
from bayes_cmoe.compiled.energy import Energies
from bayes_cmoe.estimate.tempering import prior_points

ANALYSES = Path(__file__).parents[1] / "analyses"


def script(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ANALYSES / name), run_name="analysis")


def check_figures(folder: Path, names: set[str], beside: frozenset[str] = frozenset()) -> None:
    assert {path.name for path in folder.iterdir()} == names | beside
    for name in names:
        path = folder / name
        pixels = np.asarray(Image.open(path).convert("L"))
        assert min(pixels.shape) > 300
        assert len(np.unique(pixels)) > 50


@pytest.mark.parametrize("path", sorted(ANALYSES.glob("*.py")), ids=lambda path: path.stem)
def test_first_lines_say_what_it_shows_and_how_long_it_takes(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# %% [markdown]"
    assert lines[1].startswith("# # ")
    head = " ".join(lines[1:10])
    assert "minute" in head or "second" in head


def test_penguins_data_and_frozen_line() -> None:
    analysis = script("penguins.py")
    penguins = analysis["load"]()
    assert penguins.depth.shape == (342,)
    assert round(penguins.new.mean(), 3) == 0.558
    adelie = ~penguins.new
    slope, intercept = np.polyfit(penguins.x[adelie], penguins.depth[adelie], 1)
    np.testing.assert_allclose(penguins.line["a"], [slope])
    np.testing.assert_allclose(penguins.line["b"], intercept)
    left = penguins.depth[adelie] - slope * penguins.x[adelie] - intercept
    np.testing.assert_allclose(penguins.sd, np.sqrt(np.sum(left**2) / (adelie.sum() - 2)))


@pytest.mark.slow
def test_penguins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("penguins.py")
    fits = analysis["main"](["-o", str(tmp_path)])
    penguins = analysis["load"]()
    constant, softmax = fits["constant"], fits["softmax"]
    low, high = np.quantile(softmax.share, [0.05, 0.95])
    assert low < penguins.new.mean() < high
    assert np.quantile(constant.share, 0.05) > penguins.new.mean()
    for found, least, most in ((softmax, 0.998, 1.0), (constant, 0.5, 0.95)):
        responsibility = found.over_draws["responsibility"].to_numpy()
        assert least < roc_auc_score(penguins.new, responsibility) < most
    _, facts = analysis["band_table"](penguins, fits)
    assert facts["gain"] > 50.0
    assert 0.5 * facts["gain"] < facts["short"] < facts["gain"]
    check_figures(tmp_path, {"lines.png", "share.png"})
    printed = capsys.readouterr().out
    assert "frozen alone" in printed
    assert str(tmp_path / "lines.png") in printed


def test_penguin_islands_data_and_forests() -> None:
    analysis = script("penguin_islands.py")
    site, season = analysis["load"]()
    for own, island, held in ((site, {"Biscoe"}, 55), (season, {"Dream", "Torgersen"}, 37)):
        new = pd.concat([own.fitted, own.held_out])
        assert set(new["island"]) == island
        assert len(own.held_out) == held
        assert not set(own.fitted.index) & set(own.held_out.index)
        assert "Biscoe" not in set(own.old["island"])
        assert not set(own.old.index) & set(new.index)
    assert set(season.old["year"]) == {2007}
    assert set(season.held_out["year"]) == {2008, 2009}
    raw = palmerpenguins.load_penguins().dropna().reset_index(drop=True)["body_mass_g"]
    # Read to 25 g, and no two alike once that is put back.
    assert (raw % 25 == 0).all()
    masses = pd.concat([site.fitted, site.held_out])["body_mass_g"]
    assert (masses - raw[masses.index]).abs().max() < 12.5
    assert masses.is_unique
    errors = site.held_out["body_mass_g"] - site.forest.predict(site.held_out[analysis["INPUTS"]])
    gentoo = site.held_out["species"] == "Gentoo"
    # One species is as the forest knows it, the other far heavier.
    assert abs(errors[~gentoo].mean()) < site.scale
    assert errors[gentoo].mean() > 3.0 * site.scale
    alone = analysis["ways"](site, {})
    mean, score = alone["forest alone"]
    wanted = norm.logpdf(site.held_out["body_mass_g"], mean, site.scale)
    np.testing.assert_allclose(score, wanted)
    assert alone["adapter alone"][1].mean() > alone["forest, recalibrated"][1].mean()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")
@pytest.mark.filterwarnings("ignore:nested Laplace")
def test_penguin_islands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("penguin_islands.py")
    found = analysis["main"](["-o", str(tmp_path)])
    site, _ = analysis["load"]()
    one = found["site"]["softmax"].found
    gentoo = (site.held_out["species"] == "Gentoo").to_numpy()
    np.testing.assert_array_equal(one["responsibility"].to_numpy() > 0.5, gentoo)
    assert roc_auc_score(gentoo, one["share"]) > 0.98
    gain = (one["log_score"] - one["frozen_log_score"]).to_numpy()
    assert gain.mean() > 5.0 * gain.std() / np.sqrt(len(gain))
    covered = analysis["coverage"](site, found["site"]["softmax"])
    for name in ("forest, conformal", "forest and prompt, conformal"):
        # Half of 55 birds calibrate: between the level and one more in 28, and what 55 scatter.
        assert 0.85 < covered[name][0] < 0.98
    assert covered["forest, conformal"][1] > 2.0 * covered["forest and prompt, conformal"][1]
    printed = capsys.readouterr().out
    assert "site: is there a prompt? yes" in printed
    assert "season: is there a prompt? not by these data" in printed
    assert {path.name for path in tmp_path.glob("*.png")} == {"masses.png", "share.png"}
    assert (tmp_path / "explained" / "explanation.html").is_file()


@pytest.mark.slow
def test_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("digits.py")
    new, held_out = analysis["load"]()
    fits = analysis["main"](["-o", str(tmp_path)])
    frozen = analysis["log_score"](np.log(held_out.probs), held_out).mean()
    for fit in fits:
        np.testing.assert_allclose(np.exp(fit.predicted).sum(axis=1), 1.0)
        assert analysis["log_score"](fit.predicted, held_out).mean() > frozen + 0.5
        responsibility = fit.rows["responsibility"].to_numpy()
        assert roc_auc_score(new.rotated, responsibility) > 0.98
    low, high = np.quantile(fits[1].share, [0.05, 0.95])
    assert low < new.rotated.mean() < high
    check_figures(tmp_path, {"images.png", "responsibilities.png"})
    assert str(tmp_path / "images.png") in capsys.readouterr().out


@pytest.mark.slow
def test_is_there_a_prompt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("is_there_a_prompt.py")
    analysis["main"](["-o", str(tmp_path), "--quick"])
    printed = capsys.readouterr().out
    assert "inside the band: False" not in printed
    check_figures(tmp_path, {"pvalues.png", "power.png"})


@pytest.mark.slow
def test_not_identifiable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("not_identifiable.py")
    found = analysis["table"]((0.5, 3.0, 10.0))
    assert found["difference"].max() < 1e-10
    assert found["D2"].min() > 0.01
    assert found["tilt-free"].max() < 1e-7
    words = ["-o", str(tmp_path), "--quick"]
    grew = analysis["main"](words)
    # Where no fit is tilted a tilt costs more than any number.
    assert np.isfinite(grew[grew.loss != "cost"].value).all()
    # Every way has its data sets at both sizes, and a fit gains on the truth, where others began.
    assert grew[grew.loss == "D2"].groupby(["design", "way"]).size().tolist() == [6, 6, 6, 6, 2]
    assert grew[(grew.loss == "gain") & (grew.way != "Normal gates")].value.min() > 0.0
    first = (tmp_path / "tilts.csv").read_text()
    check_figures(
        tmp_path,
        {"tilted_gates.png", "tilted_losses.png", "tilts.png"},
        beside=frozenset({"tilts.csv"}),
    )
    # What the file has is not made again, and a lost fit alone is.
    lines = first.splitlines(keepends=True)
    (tmp_path / "tilts.csv").write_text("".join(lines[:1] + lines[7:]))
    analysis["main"](words)
    assert sorted((tmp_path / "tilts.csv").read_text().splitlines()) == sorted(first.splitlines())
    assert "slope" in capsys.readouterr().out


def test_tilted_fits_have_even_shares_where_they_should_and_the_truths_density() -> None:
    analysis = script("not_identifiable.py")
    grid = np.linspace(-1.0, 1.0, 7)
    for design in ("overlapping", "authors'"):
        truth = variant_named("softmax_gaussian_moe").regime(analysis["DESIGNS"][design]).measure(1)
        theta = analysis["tilted"](3.0, 0.25, truth)
        middle = analysis["shares"](theta, np.array([0.25]))[:, 0]
        np.testing.assert_allclose(middle[[0, 2]], middle[[1, 3]], rtol=1e-12)
        named = {name: np.repeat(truth[name], 2, axis=0) for name in ("a", "b", "nu")}
        for name, value in named.items():
            np.testing.assert_array_equal(theta[name], value)
        score = np.vstack([truth["beta"] * grid + truth["tau"][:, None], np.zeros(len(grid))])
        two = np.exp(score) / np.exp(score).sum(axis=0)
        four = analysis["shares"](theta, grid)
        np.testing.assert_allclose(four[::2] + four[1::2], two, rtol=1e-12)
        np.testing.assert_allclose(four[0] / four[1], np.exp(6.0 * (grid - 0.25)), rtol=1e-9)


def test_sway_of_the_shares_by_quadrature() -> None:
    analysis = script("not_identifiable.py")
    truth = variant_named("softmax_gaussian_moe").regime("soft-3").measure(1)
    assert analysis["sway"]("overlapping", analysis["tilted"](0.0, 0.0, truth)) < 1e-12
    x = (np.arange(4000) + 0.5) / 2000 - 1.0
    for offset, middle in ((1.0, 0.0), (4.0, 0.5), (50.0, 0.0)):
        first = 1.0 / (1.0 + np.exp(-truth["beta"][0, 0] * x - truth["tau"][0]))
        within = 0.5 * (1.0 + np.tanh(offset * (x - middle)))
        total = 0.0
        for cell in (first, 1.0 - first):
            mean = np.mean(cell * within) / np.mean(cell)
            total += 2.0 * np.mean(cell * (within - mean) ** 2)
        found = analysis["sway"]("overlapping", analysis["tilted"](offset, middle, truth))
        # Five hundred inputs drawn: the root of a mean of squares, to four standard errors or so.
        np.testing.assert_allclose(found, np.sqrt(total), rtol=0.15)


def test_slopes_of_losses_over_data_sets() -> None:
    slope = script("not_identifiable.py")["slope"]
    sizes = np.array([100, 1000, 10_000])
    powers = np.array([-0.4, -0.5, -0.7])
    rows = [(r, n, (2.0 + r) * n**p) for r, p in enumerate(powers) for n in sizes]
    part = pd.DataFrame(rows, columns=["number", "n", "value"])
    value, half = slope(part)
    np.testing.assert_allclose(value, powers.mean())
    # Student's quantile with two degrees of freedom is 4.3027.
    np.testing.assert_allclose(half, 4.302653 * powers.std(ddof=1) / 3**0.5, rtol=1e-6)


def test_rows_turned_on_after_others_end_at_the_posterior_of_all() -> None:
    analysis = script("not_identifiable.py")
    own = Energies(analysis["compiled"]("overlapping", "posterior"))
    whole = analysis["columns"]("overlapping", 0)
    few, more = (
        own.posterior.likelihood.rows({name: value[:n] for name, value in whole.items()})
        for n in (40, 90)
    )
    u = prior_points(own, 3, np.random.default_rng(1))
    all_rows, seen = own.field(u, more), own.field(u, few)
    found = analysis["turned_on"](own, [few, more])(u)
    np.testing.assert_allclose(found.prior, seen.prior + seen.energy, rtol=1e-12)
    np.testing.assert_allclose(found.prior + found.energy, all_rows.prior + all_rows.energy)
    np.testing.assert_allclose(
        found.prior_slope + found.slope, all_rows.prior_slope + all_rows.slope, rtol=1e-9
    )
    # The metric is of the further rows' scores: positive semi-definite.
    least = np.linalg.eigvalsh(found.metric)
    assert (least[:, 0] > -1e-9 * least[:, -1]).all()
    np.testing.assert_allclose(found.metric, all_rows.metric - seen.metric, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_softmax_moe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("softmax_moe.py")
    found = analysis["main"](["-o", str(tmp_path), "--quick"])
    assert set(found.regime) == {"exact", "over-3", "tilt-4"}
    assert np.isfinite(found.slope).all()
    check_figures(tmp_path, {"design.png", "bills.png", "losses.png"})
    assert "converged" in capsys.readouterr().out


def test_the_band_of_uniform_p_values_holds_nineteen_in_twenty() -> None:
    low, high = script("is_there_a_prompt.py")["band"](200, 20)
    rng = np.random.default_rng(5)
    grid = np.arange(1, 20) / 20
    drawn = rng.integers(1, 21, size=(2000, 200)) / 20
    ecdf = np.mean(drawn[:, :, None] <= grid + 1e-12, axis=1)
    inside = np.mean(((ecdf >= low) & (ecdf <= high)).all(axis=1))
    # Binomials are discrete: the band holds at least what it says, to 4 standard errors.
    assert 0.93 < inside < 0.99


@pytest.mark.slow
def test_interval_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("interval_coverage.py")
    words = ["-o", str(tmp_path), "-n", "300", "--regime", "distinguishable", "--sets"]
    analysis["main"]([*words, "2"])
    first = (tmp_path / "coverage.csv").read_text()
    analysis["main"]([*words, "3"])
    assert (tmp_path / "coverage.csv").read_text().startswith(first)
    rows = analysis["read"](tmp_path / "coverage.csv")
    assert len(rows) == 3 * len(analysis["PROFILED"])
    assert all(float(row["ratio"]) >= 0 for row in rows)
    assert "test inversion" in capsys.readouterr().out
    assert (tmp_path / "coverage.png").stat().st_size > 10_000


def test_number_of_experts_shares() -> None:
    """Clopper and Pearson's intervals, by the binomial distribution itself."""
    analysis = script("number_of_experts.py")
    picks = [2] * 7 + [1] * 2 + [3]
    table = pd.DataFrame({"criterion": "BIC", "n": 100, "pick": picks})
    table = pd.concat([table, table.assign(criterion="AIC", pick=2), table.assign(n=50, pick=3)])
    found = analysis["shares"](table).set_index(["criterion", "n"])
    row = found.loc[("BIC", 100)]
    assert (row.sets, row.share, row.fewer, row.more) == (10, 0.7, 0.2, 0.1)
    assert binom.sf(6, 10, row.lower) == pytest.approx(0.025)
    assert binom.cdf(7, 10, row.upper) == pytest.approx(0.025)
    assert found.loc[("AIC", 100)].upper == 1.0
    assert binom.sf(9, 10, found.loc[("AIC", 100)].lower) == pytest.approx(0.025)
    assert found.loc[("BIC", 50)].lower == 0.0
    assert list(found.index) == [("BIC", 50), ("AIC", 100), ("BIC", 100)]


@pytest.mark.slow
def test_number_of_experts(tmp_path: Path) -> None:
    analysis = script("number_of_experts.py")
    found = analysis["main"](["-o", str(tmp_path), "--quick"])
    assert set(found.sets) == {2}
    first = (tmp_path / "number_of_experts.csv").read_text()
    # What is there is not made again.
    again = analysis["main"](["-o", str(tmp_path), "--quick"])
    pd.testing.assert_frame_equal(found, again)
    assert (tmp_path / "number_of_experts.csv").read_text() == first
    (tmp_path / "number_of_experts.csv").unlink()
    check_figures(tmp_path, {"number_of_experts.png"})


def test_moe_posterior_measures() -> None:
    """Hellinger distances against the model's own sums, and shares by hand."""
    analysis = script("moe_posterior.py")
    engine, truth = analysis["engine"](3), analysis["REGIME"].truth(1)
    layout = engine.posterior.layout
    moved = {**truth, "b": truth["b"] + [0.3, -0.2, 0.1], "tau": truth["tau"] + [0.0, -3.0]}
    theta = np.array([layout.ravel(truth), layout.ravel(moved)])
    found = analysis["distances"](3, theta)
    measure, sample = analysis["hellinger"]()
    assert found[0] == pytest.approx(0.0, abs=1e-12)
    assert found[1] == pytest.approx(measure.distance(theta[1], sample)[0], rel=1e-9)
    x = np.linspace(-1.0, 1.0, 201)
    scores = np.array([b * x + t for b, t in zip(
        [*moved["beta"][:, 0], 0.0], [*moved["tau"], 0.0], strict=True)])  # fmt: skip
    shares = np.exp(scores) / np.exp(scores).sum(axis=0)
    assert analysis["shares"](3, theta[1:])[0] == pytest.approx(shares.mean(axis=1).min())


@pytest.mark.slow
def test_moe_posterior(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis = script("moe_posterior.py")
    table = analysis["main"](["-o", str(tmp_path), "--quick"])
    assert set(table.experts) == {2, 3, 4}
    assert np.isfinite(table.middle).all()
    assert np.all(table.low <= table.high)
    (tmp_path / "moe_posterior.csv").unlink()
    figures = {
        "contraction.png",
        "tilt.png",
        "merge_or_empty.png",
        "patterns.png",
        "without_data.png",
    }
    check_figures(tmp_path, figures)
    assert "NUTS: first expert doubled" in capsys.readouterr().out
