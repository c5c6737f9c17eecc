"""`bayes-cmoe test` and `diagnose --intervals`, in process."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

import bayes_cmoe.commands.diagnose as diagnose_command
import bayes_cmoe.commands.test as test_command
import bayes_cmoe.estimate.nested as nested
from bayes_cmoe.commands.cli import main

N = 60
WORDS = ["-y", "y", "-x", "x1", "--expert", "linear"]
FROZEN = ["--frozen-family", "gaussian", "--frozen-mean", "m", "--frozen-scale", "1"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A prompt of share 0.4 on 2 - x beside f0 = N(x, 1)."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(N)
    y = x + rng.standard_normal(N)
    new = rng.random(N) < 0.4
    y[new] = 4.0 - x[new] + 0.5 * rng.standard_normal(int(new.sum()))
    file = tmp_path_factory.mktemp("absence") / "d.csv"
    lines = ["x1,y,m", *(f"{a!r},{b!r},{a!r}" for a, b in zip(x.tolist(), y.tolist(), strict=True))]
    file.write_text("\n".join(lines) + "\n")
    return file, x, y


def run(capsys, *words):
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_a_prompt_is_told(capsys, monkeypatch, table) -> None:
    file, x, y = table
    words = ["test", "constant_contaminated", file, *WORDS, *FROZEN, "--draws", "39"]
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    record = json.loads(out)
    assert record["variant"] == "constant_contaminated"
    assert record["n"] == N
    assert record["prior"] == "flat"
    assert record["draws"] == 39
    assert record["log_null"] == pytest.approx(norm.logpdf(y, x, 1.0).sum())
    assert record["ratio_pvalue"] == record["score_pvalue"] == 1 / 40
    assert record["ratio"] > record["ratio_quantile"]
    assert set(record["estimate"]) == {"lam", "a[x1]", "b", "nu"}
    assert "drawn_ratio" not in record
    doubted = SimpleNamespace(attrs={"log_evidence": record["log_null"] + 3.0, "trusted": False})
    monkeypatch.setattr(nested, "fit_nested", lambda model, seed: doubted)
    code, out, _ = run(capsys, *words, "--bayes-factor")
    assert code == 0
    out = " ".join(out.split())
    # A Bayes factor of exp(3) makes one in two 0.953.
    assert "flat prior: 3.00, so that one in two beforehand is 0.953 now" in out
    assert "not to be trusted" in out
    for said in ("likelihood ratio", "score of a", "39 data sets drawn", "there is a prompt"):
        assert said in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--draws", "38"], "--draws 38"),
        (["--prior", "flatt"], "did you mean 'flat'"),
        (["--prior", "flat", "--prior", "lam=beta(2,8)"], "flat stands alone"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_what_the_test_refuses(capsys, monkeypatch, table, words, said) -> None:
    monkeypatch.setattr(test_command, "_tested", lambda *_: pytest.fail("bad input went through"))
    asked = ["test", "constant_contaminated", table[0], *WORDS, *FROZEN, *words]
    code, out, err = run(capsys, *asked)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--intervals", "profil"], "did you mean 'profile'"),
        (["--intervals", "profile", "--level", "1"], "--level 1"),
    ],
)
def test_intervals_that_are_refused(capsys, monkeypatch, table, words, said) -> None:
    monkeypatch.setattr(diagnose_command, "_diagnosed", lambda *_: pytest.fail("went through"))
    asked = ["diagnose", "constant_contaminated", table[0], *WORDS, *FROZEN, *words]
    code, out, err = run(capsys, *asked)
    assert (code, out) == (2, "")
    assert said in err


def test_intervals_with_a_diagnosis(capsys, table) -> None:
    words = ["diagnose", "constant_contaminated", table[0], *WORDS, *FROZEN]
    code, out, _ = run(capsys, *words, "--intervals", "profile", "--level", "0.8", "--json")
    assert code == 0
    record = json.loads(out)
    found = record["intervals"]
    assert (found.pop("method"), found.pop("level")) == ("profile", 0.8)
    assert list(found) == ["lam", "a[x1]", "b", "nu", "lam*a[x1]", "lam*b", "lam*nu"]
    for name, own in found.items():
        assert own["lower"] < own["estimate"] < own["upper"]
        if name in record["estimate"]:
            assert own["estimate"] == pytest.approx(record["estimate"][name], rel=0.02)


def test_a_prior_of_single_parameters(capsys, table) -> None:
    """Without a prompt's share above a tenth the data cannot say what they would."""
    words = ["diagnose", "constant_contaminated", table[0], *WORDS, *FROZEN, "--json"]
    code, out, _ = run(capsys, *words, "--prior", "lam=uniform(0, 0.1)", "--prior", "b=normal(4,1)")
    assert code == 0
    record = json.loads(out)
    assert record["prior"] == "weak and lam, b given"
    assert 0.0 < record["estimate"]["lam"] <= 0.1 + 1e-9
    code, out, _ = run(capsys, *words)
    assert json.loads(out)["prior"] == "flat"
    assert json.loads(out)["estimate"]["lam"] > 0.2
    words[0] = "test"
    code, out, _ = run(capsys, *words, "--draws", "39", "--prior", '{"lam": "uniform(0, 0.1)"}')
    assert code == 0
    record = json.loads(out)
    assert record["prior"] == "weak and lam given"
    assert record["estimate"]["lam"] <= 0.1 + 1e-9
