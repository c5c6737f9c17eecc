"""`bayes-cmoe fit -o`, then predict and explain, as one would type them."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest

from bayes_cmoe import next_rows, predict
from bayes_cmoe.commands.cli import main
from bayes_cmoe.front.saved import read_fit


@pytest.fixture(scope="module")
def place(tmp_path_factory, measured_table):
    folder = tmp_path_factory.mktemp("front")
    measured_table.to_csv(folder / "d.csv", index=False)
    words = (
        "fit softmax_contaminated d.csv -y y -x p,q --expert linear --frozen-family gaussian "
        "--frozen-mean f0 --frozen-scale 0.4 -o fit"
    )
    assert run(folder, words) == 0
    return folder


@pytest.fixture(scope="module")
def measured_table():
    rng = np.random.default_rng(3)
    x = rng.uniform(-2.0, 2.0, (200, 2))
    f0 = x[:, 0]
    y = np.where(rng.random(200) < 0.4, 3.0 - x[:, 1], f0) + rng.normal(0.0, 0.4, 200)
    return pd.DataFrame({"p": x[:, 0], "q": x[:, 1], "f0": f0, "y": y})


def run(folder, words):
    own = [str(folder / w) if ("." in w and not w[0].isdigit()) or w == "fit" else w
           for w in shlex.split(words)]  # fmt: skip
    own[0] = shlex.split(words)[0]
    return main(own)


def test_predictions_of_a_file_are_those_of_python(place, measured_table, capsys):
    assert run(place, "predict fit d.csv -o p.csv --calibrate d.csv --level 0.8") == 0
    said = capsys.readouterr().out
    assert "200 rows predicted" in said
    assert "of the frozen expert alone" in said
    found = predict(read_fit(place / "fit"), measured_table, calibrate=measured_table, level=0.8)
    written = pd.read_csv(place / "p.csv")
    assert list(written.columns) == [str(name) for name in found.data_vars]
    for name in found.data_vars:
        np.testing.assert_allclose(written[str(name)], found[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("predict none.nc d.csv -o q.csv", "no such file"),
        ("predict d.csv d.csv -o q.csv", "not a saved fit"),
        ("predict fit none.csv -o q.csv", "no such file"),
        ("predict fit d.csv -o q.txt", "must end in .csv"),
        ("predict fit d.csv -o q.csv --level 1.5", "--level 1.5"),
        ("predict fit d.csv -o q.csv --draws 0", "--draws 0"),
        ("next none.nc d.csv", "no such file"),
        ("next fit none.csv", "no such file"),
        ("next fit d.csv --rows 0", "--rows 0"),
        ("next fit d.csv --wanted a=", "--wanted 'a='"),
        ("next fit d.csv --wanted a=1,a=2", "a is given twice"),
        ("next fit d.csv --wanted a=1 --parameter b", "give one of them"),
        ("next fit d.csv --parameter lamb", "unknown parameter 'lamb'"),
        ("next fit d.csv -o q.txt", "must end in .csv"),
        ("explain none.nc -o page.d", "no such file"),
        ("explain fit -o page.d --draws 3", "--draws 3"),
    ],
)
def test_bad_words_end_in_a_line_and_leave_nothing(place, capsys, words, problem):
    before = {file.name for file in place.iterdir()}
    assert run(place, words) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert len(said.splitlines()) == 1
    assert {file.name for file in place.iterdir()} == before


def test_an_explanation_is_written_and_said(place, capsys):
    assert run(place, "explain fit -o page.d --draws 39") == 0
    assert "Is there anything new at all?\nYes." in capsys.readouterr().out
    assert (place / "page.d" / "explanation.html").is_file()


def test_next_rows_of_a_file_are_those_of_python(place, measured_table, capsys):
    (place / "new.csv").write_text(measured_table[["p", "q", "f0"]][:30].to_csv(index=False))
    assert run(place, "next fit new.csv -n 4 --wanted expert=1 --json -o n.csv") == 0
    record = json.loads(capsys.readouterr().out)
    found = next_rows(read_fit(place / "fit"), measured_table[:30], parameter="expert", rows=4)
    assert [one["row"] for one in record["batch"]] == (found["chosen"].to_numpy() + 1).tolist()
    assert record["standard_error"] == found.attrs["standard_error"]
    written = pd.read_csv(place / "n.csv")
    assert list(written.columns) == ["p", "q", "gain", "first_order", "rank", "batch"]
    for name in ("gain", "first_order", "rank", "batch"):
        np.testing.assert_allclose(written[name], found[name], rtol=1e-12)
    assert run(place, "next fit new.csv -n 2") == 0
    said = capsys.readouterr().out
    assert "30 candidates" in said
    assert "hardest to learn along" in said


def test_experts_without_a_frozen_one_are_predicted(tmp_path, measured_table, capsys):
    measured_table[["p", "y"]].to_csv(tmp_path / "d.csv", index=False)
    words = "fit softmax_gaussian_moe d.csv -y y -x p --experts 2 -o fit"
    assert run(tmp_path, words) in (0, 3)
    capsys.readouterr()
    assert run(tmp_path, "predict fit d.csv -o p.csv") == 0
    said = capsys.readouterr().out
    assert "shares on average: expert 0 0." in said
    assert "frozen expert alone" not in said
    written = pd.read_csv(tmp_path / "p.csv")
    shares = written[["shares_expert 0", "shares_expert 1"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    assert f"expert 1 {shares['shares_expert 1'].mean():.3f}" in said
    means = written[["means_expert 0", "means_expert 1"]].to_numpy()
    np.testing.assert_allclose(written["mean"], (shares.to_numpy() * means).sum(axis=1), rtol=1e-9)
    assert run(tmp_path, "explain fit -o explained") == 2
    assert "predict says what each expert does" in capsys.readouterr().err
