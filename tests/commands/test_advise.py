"""`bayes-cmoe advise`, as one would type it."""

import json

import numpy as np
import pandas as pd
import pytest

from bayes_cmoe import advise
from bayes_cmoe.commands.cli import main

COLUMNS = ["-x", "p,q", "--frozen-family", "gaussian", "--frozen-mean", "f0"]
OWN = ["--frozen-scale", "0.4", "--experts", "linear,low-rank-1", "--truths", "2"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(3)
    x = rng.uniform(-2.0, 2.0, (120, 2))
    table = pd.DataFrame({"p": x[:, 0], "q": x[:, 1], "f0": x[:, 0], "c": 1.0, "k": 0.5})
    table["l"] = 1.0 - table["k"]
    place = tmp_path_factory.mktemp("advise") / "d.csv"
    table.to_csv(place, index=False)
    return place


def test_what_is_printed_is_what_python_finds(file, capsys):
    words = ["advise", str(file), *COLUMNS, *OWN, "--error", "function=0.3,share=0.1"]
    words += ["--shift", "4", "--share", "0.4"]
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    found = advise(
        pd.read_csv(file), x=["p", "q"], frozen={"family": "gaussian", "mean": "f0", "scale": 0.4},
        experts=["linear", "low-rank-1"], error={"function": 0.3, "share": 0.1}, truths=2,
        shift=(4.0, 4.0), share=(0.4, 0.4),
    )  # fmt: skip
    assert [own["form"] for own in record["forms"]] == found.forms
    for own in record["forms"]:
        for name, rows in own["rows"].items():
            expected = found["rows"].sel(form=own["form"], wanted=name)
            np.testing.assert_allclose(rows, expected, rtol=1e-9)
        needed = found["needed"].sel(form=own["form"])
        np.testing.assert_allclose(list(own["needed"].values()), needed, rtol=1e-9)
        assert own["homogeneous"] == (own["form"] == "linear")
    assert record["wanted"] == {"function": 0.3, "share": 0.1}


def test_a_table_says_that_the_truth_is_not_known(file, capsys):
    assert main(["advise", str(file), *COLUMNS, *OWN, "--experts", "linear", "--share", ".3"]) == 2
    capsys.readouterr()
    own = [*OWN[:2], "--experts", "linear", "--truths", "1", "--share", ".3"]
    assert main(["advise", str(file), *COLUMNS, *own]) == 0
    said = capsys.readouterr().out
    assert "by the information bound at 1 plausible truths" in said
    assert "homogeneous" in said
    assert "the truth is not known" in said


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([*COLUMNS, *OWN, "--share", "0.5,0.1"], "--share 0.5,0.1: give two numbers in order"),
        ([*COLUMNS, *OWN, "--share", "0,0.1"], "share from 0 to 0.1"),
        ([*COLUMNS, *OWN, "--share", "a"], "--share a"),
        ([*COLUMNS, *OWN, "--error", "function"], "--error 'function'"),
        ([*COLUMNS, *OWN, "--error", "0"], "--error 'function=0'"),
        ([*COLUMNS, *OWN, "--error", "lamb=0.1"], "unknown target of the form linear 'lamb'"),
        ([*COLUMNS, *OWN[:4], "--truths", "0"], "--truths 0"),
        ([*COLUMNS, *OWN, "--gate", "sigmoid"], "unknown gate"),
        ([*COLUMNS, "--frozen-scale", "0.4", "--experts", "linaer"], "did you mean 'linear'"),
        ([*COLUMNS], "--frozen-scale is missing"),
        (["-x", "p,c", *COLUMNS[2:], *OWN], "column 'c'"),
        (["-x", "p,z", *COLUMNS[2:], *OWN], "no column 'z'"),
        (["-x", "p", "--frozen-logp", "f0"], "log-densities"),
        (["-x", "p", "--frozen-probs", "k,l", "--variant", "softmax_contaminated"], "a number"),
        ([*COLUMNS, *OWN, "--variant", "softmax_gaussian_moe"], "no frozen expert"),
    ],
)
def test_bad_words_end_in_one_line(file, capsys, words, problem):
    assert main(["advise", str(file), *words]) == 2
    said = capsys.readouterr()
    assert problem in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""
