"""What an explanation says of data whose making is known."""

import json

import arviz as az
import numpy as np
import pandas as pd
import pytest

from bayes_cmoe import explain, fit, leave_one_out
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate import nested
from bayes_cmoe.front import answers, estimated, explanation, gained
from bayes_cmoe.front.origin import model_of
from tests.front.conftest import STATED


@pytest.fixture(scope="module")
def told(number_posterior, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained") / "page"
    stages: list[str] = []
    return explain(number_posterior, folder, draws=39, on_stage=stages.append), folder, stages


def test_every_stage_is_announced_once(told):
    *_, stages = told
    assert stages == [
        "the posterior", "what it says of its rows", "data without a prompt",
        "what the data tell apart", "rows left out, one at a time", "the page",
    ]  # fmt: skip


def test_a_clear_prompt_is_told(told, measured):
    found, *_ = told
    answers = {own.question: own.answer for own in found.answers}
    assert answers["Is there anything new at all?"].startswith("Yes. ")
    where = answers["How much of the data is new, and where?"]
    # The truth: the share rises with p, and is 1/(1 + e^.5) on average over symmetric inputs.
    assert "It rises with p" in where
    own = float(found.rows["responsibility"].mean())
    truth = 1.0 / (1.0 + np.exp(-(1.5 * measured["p"] - 0.5)))
    assert own == pytest.approx(truth.mean(), abs=4 * np.sqrt(0.25 / len(measured)))
    assert f"{own:.0%} of the {len(measured)} rows" in where
    assert "nats better" in answers["Does it predict better than the frozen model?"]
    # Prompt less frozen, 2 - q - (p / 2 + q), on the rows that are its own.
    apart = 2.0 - measured["q"] - (0.5 * measured["p"] + measured["q"])
    weight = found.rows["responsibility"].to_numpy()
    mean = np.sum(weight * apart) / weight.sum()
    said = answers["What does the prompt do that the frozen model does not?"]
    assert ("more" if mean > 0 else "less") in said
    number = float(said.split("expects ")[1].split()[0])
    assert number == pytest.approx(abs(mean), abs=0.25)


def test_the_page_is_whole_and_needs_no_other_file(told):
    found, folder, _ = told
    names = {file.name for file in folder.iterdir()}
    assert {"explanation.html", "answers.json", "rows.csv", "feature-1.png", "feature-2.png",
            "estimates.png"} <= names  # fmt: skip
    page = (folder / "explanation.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    written = json.loads((folder / "answers.json").read_text())
    assert [own["answer"] for own in written] == [own.answer for own in found.answers]
    rows = pd.read_csv(folder / "rows.csv")
    np.testing.assert_allclose(rows["responsibility"], found.rows["responsibility"], atol=1e-12)
    table = pd.read_csv(folder / "parameters.csv", index_col="parameter")
    drawn = found.posterior["posterior"].to_dataset()["a"].sel(feature="q").to_numpy()
    assert table.loc["a[q]", "mean"] == pytest.approx(drawn.mean(), rel=1e-9)
    ends = table.loc["a[q]"].iloc[-2:].to_numpy(dtype=float)
    np.testing.assert_allclose(ends, np.quantile(drawn, [0.05, 0.95]), atol=0.05 * drawn.std())


def test_an_explanation_shows_itself(told):
    found, *_ = told
    assert str(found).startswith("Is there anything new at all?\nYes.")
    assert "<dt><b>Is there anything new at all?</b></dt>" in found._repr_html_()


def test_where_importance_weights_fail_rows_are_left_out_of_the_fit(
    told, number_posterior, monkeypatch
):
    found, *_ = told
    compiled = Posterior(model_of(number_posterior))
    monkeypatch.setattr(gained, "left_out", lambda tree: (np.zeros(240), 1.25))
    said = gained.gain(number_posterior, found.rows, compiled)
    refitted = leave_one_out(number_posterior, posterior=compiled)
    more = refitted["log_score"] - refitted["frozen_log_score"]
    np.testing.assert_allclose(
        refitted["frozen_log_score"], found.rows["frozen_log_score"], atol=1e-10
    )
    assert f"{float(more.sum()):.1f} nats better in all" in said
    assert f"standard error {np.sqrt(240) * more.to_numpy().std(ddof=1):.1f}" in said
    assert "a Pareto k of 1.25" in said
    # Both ways of leaving out judge the same rows: they agree to a few nats of some two hundred.
    weighted = float(az.loo(found.posterior).elpd)
    assert float(refitted["log_score"].sum()) == pytest.approx(weighted, abs=6.0)
    # Of too many rows the weights' answer stands, with its doubt.
    monkeypatch.setattr(gained, "REFITTED", 239)
    doubted = gained.gain(number_posterior, found.rows, compiled)
    assert "not to be relied on: a Pareto k of 1.25" in doubted


def test_a_prior_that_matters_to_many_entries_is_no_list_of_them():
    names = [f"a[{j}, p]" for j in range(7)] + ["tau", "b[0]", "b[1]"]
    index = [0.1] * 5 + [0.32, 0.01] + [0.2, 0.06, 0.0]
    said = answers.prior_matters(pd.DataFrame({"prior": index}, index=names))
    assert "6 of the 7 entries of a (up to 0.32)" in said
    assert "tau (0.20), b[0] (0.06)" in said
    assert "b[1]" not in said
    assert "all 7 entries of a" in answers.prior_matters(
        pd.DataFrame({"prior": [0.1] * 7}, index=names[:7])
    )


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["many parameters", "weights that are not to be trusted"])
def test_the_posterior_is_by_nuts_where_there_are(reason, number_fit, tmp_path, monkeypatch):
    if reason == "many parameters":
        monkeypatch.setattr(explanation, "MANY", 3)
    else:
        monkeypatch.setattr(nested, "FEWEST", 10**6)
    found = explain(number_fit, tmp_path / "page", draws=39)
    assert found.posterior.attrs["engine"] == "nuts"
    assert "by NUTS: 4 chains x 500 draws" in (tmp_path / "page" / "explanation.html").read_text()


@pytest.mark.slow
def test_where_nothing_is_new_it_says_so(measured):
    rng = np.random.default_rng(12)
    empty = measured.assign(y=measured["f0"] + rng.normal(0.0, 0.4, len(measured)))
    tree = fit(empty, y="y", x="p", frozen=STATED, expert="linear", variant="constant_contaminated")
    found = explain(tree, draws=39)
    answers = {own.question: own.answer for own in found.answers}
    # By chance one in twenty such tables would say yes; this one does not.
    assert answers["Is there anything new at all?"].startswith("Not by these data.")
    assert "No promise" in answers["How many rows would halve the error?"]


@pytest.mark.slow
def test_a_class_that_comes_more_often_is_named(class_fit):
    found = explain(class_fit, draws=39)
    said = {own.question: own.answer for own in found.answers}
    # Of the new rows half of those that were no eel became one.
    difference = said["What does the prompt do that the frozen model does not?"]
    assert "it expects eel more often" in difference


def test_what_is_not_beside_a_frozen_model_is_refused(measured, number_fit, monkeypatch):
    # What a fit found is not looked at: another's saves ten seconds.
    monkeypatch.setattr(estimated, "fit_map", lambda *given, **options: number_fit.copy())
    tree = fit(measured[["p", "y"]], y="y", variant="softmax_gaussian_moe")
    with pytest.raises(InputError, match="predict says what each expert does"):
        explain(tree)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto")
def test_several_prompts_are_told_each_by_itself(two_groups, prompts_fit, tmp_path):
    found = explain(prompts_fit, tmp_path / "page", draws=39)
    said = {own.question: own.answer for own in found.answers}
    assert said["Is there anything new at all?"].startswith("Yes.")
    assert said["Are all prompts needed?"].startswith("Yes.")
    table, group = two_groups
    n = len(table)
    # Where the lines cross no density tells whose a row is: a row in ten is near.
    new = float(found.rows["responsibility"].sum())
    assert new == pytest.approx((group > 0).sum(), abs=4 * np.sqrt(0.25 * n / 10))
    # The prompts are told apart: nearly every row of a group is one prompt's.
    own = found.rows["responsibilities"].to_numpy().argmax(axis=1)
    for label in (1, 2):
        taken = np.bincount(own[group == label], minlength=3)
        assert taken[1:].max() > 0.85 * (group == label).sum()
    differences = said["What do the prompts do that the frozen model does not?"]
    assert "On its rows prompt 0 expects" in differences
    assert "On its rows prompt 1 expects" in differences
    assert said["How many rows would halve the error?"].startswith(f"{4 * n},")
    page = (tmp_path / "page" / "explanation.html").read_text()
    assert "2 linear prompts beside a frozen gaussian expert" in page
    assert "sum_j pi_j(x) f_j(y|x)" in page
