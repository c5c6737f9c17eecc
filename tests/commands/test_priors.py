"""The words of ``--prior``: names, single parameters, JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from bayes_cmoe.commands.cli import main
from bayes_cmoe.commands.priors import chosen_prior
from bayes_cmoe.errors import InputError

BOX = {"kind": "uniform", "lower": 0.0, "upper": 0.5}


@pytest.fixture
def file(tmp_path):
    place = tmp_path / "prior.json"
    place.write_text(json.dumps({"lam": BOX}))
    return str(place)


def test_what_may_be_said(file):
    assert chosen_prior([]) == "weak"
    assert chosen_prior(["flat"]) == "flat"
    assert chosen_prior(["weak", "lam=beta(2, 8)"]) == {"lam": "beta(2, 8)"}
    assert chosen_prior(["b=normal(mu=0,sigma=1)", "lam = beta(2,8)"]) == {
        "b": "normal(mu=0,sigma=1)",
        "lam": "beta(2,8)",
    }
    assert chosen_prior([file, "b=normal(0,1)"]) == {"lam": BOX, "b": "normal(0,1)"}
    assert chosen_prior([json.dumps({"b": "laplace(0, 1)"})]) == {"b": "laplace(0, 1)"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["week"], "did you mean 'weak'"),
        (["flat", "lam=beta(2,8)"], "flat stands alone"),
        (["flat", "weak"], "flat stands alone"),
        (["lam=beta(2,8)", "lam=beta(1,1)"], "lam: given twice"),
        (["lam=beta"], "give a parameter and its distribution"),
        (["lam=0.5"], "give a parameter and its distribution"),
        (["missing.json"], "missing.json: cannot be read"),
        (["a\0.json"], "cannot be read"),
        (["{"], "--prior: not JSON"),
        (["{}"], "not a JSON object of priors"),
    ],
)
def test_what_is_refused_in_one_line(words, message):
    with pytest.raises(InputError, match=message) as caught:
        chosen_prior(words)
    assert "\n" not in str(caught.value)


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(8)
    x = rng.normal(size=60)
    y = np.where(rng.random(60) < 0.5, -1.5 * x, x) + rng.normal(size=60)
    place = tmp_path / "d.csv"
    pd.DataFrame({"x1": x, "y": y, "m": x, "s": 1.0}).to_csv(place, index=False)
    return str(place)


COLUMNS = "-y y -x x1 --expert linear --frozen-family gaussian --frozen-mean m --frozen-scale s"


def fitted(capsys, table, *words):
    code = main(["fit", "constant_contaminated", table, *COLUMNS.split(), *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_fit_under_a_prior_of_one_s_own_says_so(capsys, table):
    """A prior that leaves nothing open decides the estimate, and the summary names every prior."""
    own = ("--prior", "lam=beta(2000, 8000)", "--prior", '{"b": "normal(3, 0.0001)"}')
    code, out, _ = fitted(capsys, table, *own, "--starts", "32", "--json")
    assert code in (0, 3)
    record = json.loads(out)
    assert record["estimate"]["lam"] == pytest.approx(0.2, abs=0.01)
    assert record["estimate"]["b"] == pytest.approx(3.0, abs=0.001)
    assert record["priors"]["lam"] == "Beta(2000, 8000)"
    assert record["priors"]["b"] == "Normal(3, 0.0001)"
    assert record["priors"]["nu"].startswith("LogNormal(log ")
    _, out, _ = fitted(capsys, table, "--starts", "32")
    assert "weak prior" in out
    assert "prior: lam ~ Beta(1.5, 1.5), a ~ Normal(0, " in out


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lam=normal(0,1)", "weak prior of lam 'normal'"),
        ("lamb=beta(2,8)", "unknown parameter 'lamb': did you mean 'lam'"),
        ("lam=gamma(2,1)", "beyond its support, 0 to 1"),
        ("nu=cauchyy(2,1)", "did you mean 'cauchy'"),
    ],
)
def test_a_wrong_prior_ends_with_2_and_one_line(capsys, table, word, message):
    code, out, err = fitted(capsys, table, "--prior", word)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
