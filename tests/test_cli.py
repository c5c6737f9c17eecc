"""The command line in process: `main(argv)` returns the exit status."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import softmax

import bayes_cmoe.front.estimated as engine
import bayes_cmoe.report.fit_figures as fit_figures
from bayes_cmoe.commands.cli import main
from bayes_cmoe.files.tables import read_table
from bayes_cmoe.study.variant import variants

N = 40


def good_columns():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N, 2))
    probs = softmax(rng.normal(size=(N, 3)), axis=1)
    numbers = {
        "x1": x[:, 0], "x2": x[:, 1], "y": x[:, 0] + rng.normal(size=N), "k": np.arange(N) % 3,
        "m": x[:, 0], "s": np.full(N, 1.0), "df": np.full(N, 4.0), "lf": -rng.random(N) - 1,
        "p0": probs[:, 0], "p1": probs[:, 1], "p2": probs[:, 2],
    }  # fmt: skip
    return {name: [repr(float(v)) for v in values] for name, values in numbers.items()}


def as_text(columns, delimiter=","):
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(entries) for entries in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def with_entry(name, row, entry):
    def change(columns):
        columns[name][row - 1] = entry
        return as_text(columns)

    return change


def with_column(name, entry):
    return lambda columns: as_text(columns | {name: [entry] * N})


def run(capsys, *argv):
    code = main([str(word) for word in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def assert_refused(capsys, argv, *words):
    code, out, err = run(capsys, *argv)
    assert code == 2, err
    assert out == ""
    assert err.startswith("bayes-cmoe: error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    for word in words:
        assert word in err


SCALAR = shlex.split(
    "-y y -x x1,x2 --expert tanh --frozen-family gaussian --frozen-mean m --frozen-scale s"
)
CLASS = shlex.split("-y k -x x1,x2 --frozen-probs p0,p1,p2")
SOFTMAX, MULTINOMIAL = "softmax_contaminated", "multinomial_contaminated"


@pytest.fixture
def no_fit(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("bad input reached the fit")

    monkeypatch.setattr(engine, "estimated", refuse)


BAD_TABLES = {
    "text": (SOFTMAX, SCALAR, with_entry("x2", 3, "abc"), ("'x2'", "'abc'", "row 3")),
    "missing value": (SOFTMAX, SCALAR, with_entry("y", 7, ""), ("'y'", "missing", "row 7")),
    "nan": (SOFTMAX, SCALAR, with_entry("m", 1, "NaN"), ("'m'", "missing", "row 1")),
    "infinity": (SOFTMAX, SCALAR, with_entry("x1", 40, "inf"), ("'x1'", "infinite", "row 40")),
    "huge": (SOFTMAX, SCALAR, with_entry("x1", 4, "1e300"), ("'x1'", "1e+300", "row 4")),
    "scale zero": (SOFTMAX, SCALAR, with_entry("s", 2, "0"), ("'s'", "not positive", "row 2")),
    "scale negative": (SOFTMAX, SCALAR, with_entry("s", 9, "-1"), ("'s'", "-1", "row 9")),
    "constant": (SOFTMAX, SCALAR, with_column("x2", "3"), ("'x2'", "constant")),
    "constant y": (SOFTMAX, SCALAR, with_column("y", "3"), ("'y'", "constant")),
    "probability sum": (MULTINOMIAL, CLASS, with_entry("p1", 5, "0.0"), ("p1", "row 5", "sum")),
    "probability": (MULTINOMIAL, CLASS, with_entry("p2", 6, "-0.1"), ("'p2'", "-0.1", "row 6")),
    "label": (MULTINOMIAL, CLASS, with_entry("k", 8, "3"), ("'k'", "3", "0..2", "row 8")),
    "label part": (MULTINOMIAL, CLASS, with_entry("k", 8, "0.5"), ("'k'", "0.5", "row 8")),
    "label text": (MULTINOMIAL, CLASS, with_entry("k", 8, "cat"), ("'k'", "'cat'", "row 8")),
    "unseen": (MULTINOMIAL, CLASS, with_column("k", "1"), ("'k'", "never", "class 0")),
    "missing column": (
        SOFTMAX,
        SCALAR,
        lambda columns: as_text({"xx2" if k == "x2" else k: v for k, v in columns.items()}),
        ("'x2'", "'xx2'"),
    ),
    "duplicate column": (
        SOFTMAX, SCALAR, lambda columns: as_text(columns).replace("lf", "y", 1), ("'y'", "2 times")
    ),
    "few rows": (
        SOFTMAX, SCALAR, lambda columns: "\n".join(as_text(columns).splitlines()[:6]),
        ("5 rows", "7 parameters"),
    ),
    "empty": (SOFTMAX, SCALAR, lambda columns: "", ("empty",)),
    "header only": (SOFTMAX, SCALAR, lambda columns: ",".join(columns) + "\n", ("no rows",)),
    "bars": (SOFTMAX, SCALAR, lambda columns: as_text(columns, "|"), ("bars",)),
    "tabs": (SOFTMAX, SCALAR, lambda columns: as_text(columns, "\t"), ("tabs",)),
    "uneven": (SOFTMAX, SCALAR, with_entry("y", 4, "1,5"), ("row 4", "12 entries")),
    "latin-1": (
        SOFTMAX, SCALAR, lambda columns: as_text(columns).replace("lf", "é"), ("UTF-8",)
    ),
}  # fmt: skip


@pytest.mark.usefixtures("no_fit")
@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_refused_and_nothing_is_written(tmp_path, capsys, case):
    variant, options, change, words = BAD_TABLES[case]
    file = tmp_path / "bad.csv"
    encoding = "latin-1" if case == "latin-1" else "utf-8"
    file.write_text(change(good_columns()), encoding=encoding)
    argv = ["fit", variant, file, *options, "--json", "-o", tmp_path / "out"]
    assert_refused(capsys, argv, "bad.csv", *words)
    assert list(tmp_path.iterdir()) == [file]


BAD_FITS = {
    "fit softmax_contaminatd {file} SCALAR": "did you mean 'softmax_contaminated'",
    "fit softmax_contaminated {file} -y y -x x1 --frozen-logp lf --expert tnah": "mean 'tanh'",
    "fit softmax_contaminated {file} SCALAR --gate constant": "gate of softmax_contaminated",
    "fit multinomial_contaminated {file} CLASS --gate sofmax": "did you mean 'softmax'",
    "fit softmax_contaminated {file} SCALAR --prior week": "did you mean 'weak'",
    "fit softmax_contaminated {file} SCALAR --method mcmc": "known: map, nested, nuts",
    "fit constant_contaminated {file} -y y -x x1 --frozen-mean m --frozen-scale s "
    "--frozen-family gausian": "did you mean 'gaussian'",
    "fit softmax_contaminated {file} SCALAR --frozen-df df": "leave it out",
    "fit softmax_contaminated {file} SCALAR --frozen-logp lf": "state the frozen expert",
    "fit softmax_contaminated {file} -y y -x x1": "state the frozen expert",
    "fit softmax_contaminated {file} -y y -x x1 --frozen-family laplace": "--frozen-mean",
    "fit softmax_contaminated {file} -y y -x x1 --frozen-probs p0,p1": "is a number",
    "fit multinomial_contaminated {file} -y k -x x1 --frozen-mean m": "is a class",
    "fit multinomial_contaminated {file} -y k -x x1 --frozen-probs p0": "two classes",
    "fit multinomial_contaminated {file} -y k -x x1 --frozen-probs p0,p0": "'p0' is named twice",
    "fit softmax_contaminated {file} SCALAR -x x1": "'x1' is named twice",
    "fit softmax_contaminated {file} SCALAR -x y": "both response and feature",
    "fit softmax_contaminated {file} SCALAR -x ,": "empty name",
    "fit softmax_contaminated {file} SCALAR --seed -1": "--seed -1",
    "fit softmax_contaminated {file} SCALAR --seed 18446744073709551616": "--seed 1844",
    "fit softmax_contaminated {file} SCALAR --seed 1.5": "--seed 1.5: give a whole number",
    "fit softmax_contaminated {file} SCALAR --draws 1.5": "--draws 1.5: give a whole number",
    "fit softmax_contaminated {file} SCALAR -o ''": "an empty name",
    "fit softmax_contaminated {file} SCALAR --draws 3": "--draws 3",
    f"fit softmax_contaminated {'x' * 300}.csv SCALAR": "name too long",
    "fit softmax_contaminated {file} SCALAR --starts 0": "--starts 0",
    "fit softmax_contaminated {file} SCALAR --draws many": "many",
    "fit softmax_contaminated {file} SCALAR --chains=0": "--chains 0",
    "fit softmax_contaminated {file} SCALAR -o {file}": "is a file",
    "fit softmax_contaminated {file} SCALAR -o {file}/under": "is a file",
    "fit softmax_contaminated {file} SCALAR -o /proc/none": "/proc/none: cannot be written",
    "fit softmax_contaminated {file}.gone.csv SCALAR": "no such file",
    "fit softmax_contaminated {folder}/none/t.csv SCALAR": "no such file",
    "fit softmax_contaminated {folder} SCALAR": "must end in",
    "fit softmax_contaminated {file} SCALAR --colour red": "--colour",
    "fit softmax_contaminated {file} extra SCALAR": "extra",
    "fit softmax_contaminated": "DATA is missing: write bayes-cmoe fit VARIANT DATA -y RESPONSE",
    "fit {file} -y y -x x1": "fit: DATA is missing: write bayes-cmoe fit VARIANT DATA",
    "fit": "VARIANT is missing",
    "fit softmax_contaminated {file} -x x1 -y": "-y RESPONSE is missing",
    "predict one two three -o {new}": "'three' is one word too many: write bayes-cmoe predict FIT",
    "fti": "fti",
    "simulate softmax_contaminated --regime distinguishabel -n 9 -o {new}": "'distinguishable'",
    "simulate softmax_contaminated --regime merging -n 0 -o {new}": "-n 0",
    "simulate softmax_contaminated --regime merging -n 1e-3 -o {new}": "-n 1e-3",
    "simulate softmax_contaminated --regime merging -n 50.9 -o {new}": "-n 50.9: give a whole",
    "simulate softmax_contaminated --regime merging -n 1_0 -o {new}": "-n 1_0: give a whole",
    "simulate softmax_contaminated --regime merging -n 9 --seed 1.9 -o {new}": "--seed 1.9",
    "simulate softmax_contaminated --regime merging -n 9 --alpha 1e-999999999 -o {new}": "--alpha",
    "simulate softmax_contaminated --regime merging -n 9 -o ''": "an empty name",
    "simulate softmax_contaminated --regime merging -n 9 --seed -3 -o {new}": "--seed -3",
    "simulate softmax_contaminated --regime merging -n 9 --gamma x -o {new}": "--gamma x",
    "simulate softmax_contaminated --regime merging -n 9 --alpha nan -o {new}": "--alpha nan",
    "simulate softmax_contaminated --regime merging -n 9 --gamma 1/0 -o {new}": "--gamma 1/0",
    "simulate softmax_contaminated --regime merging -n 9 -o {folder}": "must end in",
    "simulate softmax_contaminated --regime merging -n 9 -o {folder}/a/b.csv": "no folder",
    "simulate softmax_contaminated --regime merging -n 9 -o {new}.xls": "must end in",
    "simulate softmax_contaminated --regime merging -n 9 -o /proc/t.csv": "cannot be written",
    "simulate softmax_contaminated --regime merging -n 9": "-o OUTPUT is missing",
    "variants --jsn": "--jsn",
    "theory softmax_contaminatd": "did you mean 'softmax_contaminated'",
    "plan softmax_contaminated --regime merginng -n 100": "did you mean 'merging'",
    "plan softmax_contaminated --regime merging --truth {{": "--truth",
    "plan softmax_contaminated --regime merging -n 100 --draws 1e12": "--draws 1000000000000: give",
    "theory softmax_contaminated --regime merging --draws 0": "--draws 0: give a number from 1",
    "theory softmax_contaminated --regime merging -n 1e3 -n 1.5": "-n 1.5: give a whole number",
    "plan softmax_contaminated --regime merging -n 50.9": "-n 50.9: give a whole number",
    "plan softmax_contaminated --regime merging -n 100 --seed 1.9": "--seed 1.9: give a whole",
    "diagnose softmax_contaminated {file} SCALAR --seed 1.5": "--seed 1.5: give a whole number",
    "compare quick -o {new} --workers 1.5": "--workers 1.5: give a whole number",
    "report {folder} --workers 1.5": "--workers 1.5: give a whole number",
    "diagnose softmax_contaminated {file}.gone.csv SCALAR": "no such file",
    "diagnose softmax_contaminated {file} SCALAR --prior week": "did you mean 'weak'",
}


@pytest.mark.usefixtures("no_fit")
@pytest.mark.parametrize("line", BAD_FITS)
def test_a_bad_command_is_refused_and_nothing_is_written(tmp_path, capsys, line):
    file = tmp_path / "good.csv"
    file.write_text(as_text(good_columns()))
    filled = line.replace("SCALAR", shlex.join(SCALAR)).replace("CLASS", shlex.join(CLASS))
    filled = filled.format(file=file, folder=tmp_path, new=tmp_path / "new.csv")
    assert_refused(capsys, shlex.split(filled), BAD_FITS[line])
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.usefixtures("no_fit")
def test_an_option_given_twice_or_without_a_value_is_refused(tmp_path, capsys):
    file = tmp_path / "good.csv"
    file.write_text(as_text(good_columns()))
    assert_refused(capsys, ["fit", SOFTMAX, file, *SCALAR, "--expert"], "--expert")
    assert_refused(capsys, ["fit", SOFTMAX, file, *SCALAR, "-y", "x1"], "-y")


@pytest.fixture
def accepted(monkeypatch):
    """What of a command's input reached the fit."""
    found = []

    def stop(setting, *rest, **options):
        found.append(setting)
        raise KeyboardInterrupt("accepted")

    monkeypatch.setattr(engine, "estimated", stop)
    return found


def scaled(*words):
    return [*shlex.split("-y y -x x1,x2 --frozen-mean m --frozen-family"), *words]


def test_a_scale_and_df_may_be_numbers(tmp_path, capsys, accepted):
    file = tmp_path / "t.csv"
    file.write_text(as_text(good_columns() | {"9": ["2.5"] * N}))
    constant = scaled("student_t", "--frozen-scale", "8", "--frozen-df", "4.5e0")
    assert run(capsys, "fit", SOFTMAX, file, *constant)[0] == 130
    columns = accepted[-1].frozen.columns(accepted[-1].data.x)
    np.testing.assert_array_equal(columns["frozen_scale"], np.full(N, 8.0))
    np.testing.assert_array_equal(columns["frozen_df"], np.full(N, 4.5))
    assert run(capsys, "fit", SOFTMAX, file, *scaled("laplace", "--frozen-scale", "9"))[0] == 130
    columns = accepted[-1].frozen.columns(accepted[-1].data.x)
    # A column of that name comes first.
    np.testing.assert_array_equal(columns["frozen_scale"], np.full(N, 2.5))
    for wrong in ("0", "-3", "1e200"):
        argv = ["fit", SOFTMAX, file, *scaled("laplace", f"--frozen-scale={wrong}")]
        assert_refused(capsys, argv, f"--frozen-scale {wrong}: give a number from")
    argv = ["fit", SOFTMAX, file, *scaled("student_t", "--frozen-scale", "8", "--frozen-df", "1e7")]
    assert_refused(capsys, argv, "--frozen-df 1e7: give a number from 1e-100 to 1e+06")
    argv = ["fit", SOFTMAX, file, *scaled("laplace", "--frozen-scale", "nan")]
    assert_refused(capsys, argv, "no column 'nan'")
    mean = shlex.split("-y y -x x1 --frozen-family laplace --frozen-mean 8 --frozen-scale 8")
    assert_refused(capsys, ["fit", SOFTMAX, file, *mean], "no column '8'")


def test_semicolons_are_read(tmp_path, capsys, accepted):
    file = tmp_path / "t.csv"
    file.write_text(as_text(good_columns(), ";"))
    assert run(capsys, "fit", SOFTMAX, file, *SCALAR)[0] == 130
    expected = np.array([float(entry) for entry in good_columns()["y"]])
    np.testing.assert_array_equal(accepted[-1].data.y, expected)
    columns = good_columns() | {"m": ["1,5"] * N}
    file.write_text(as_text(columns, ";"))
    assert_refused(capsys, ["fit", SOFTMAX, file, *SCALAR], "'m'", "'1,5'", "decimal points")


def test_a_class_label_has_no_positive_log_probability(tmp_path, capsys, accepted):
    file = tmp_path / "t.csv"
    options = shlex.split("-y k -x x1,x2 --frozen-logp lf")
    file.write_text(as_text(good_columns()))
    assert run(capsys, "fit", MULTINOMIAL, file, *options)[0] == 130
    file.write_text(with_entry("lf", 6, "0.25")(good_columns()))
    assert_refused(capsys, ["fit", MULTINOMIAL, file, *options], "'lf'", "0.25", "row 6")
    scalar = shlex.split("-y y -x x1,x2 --frozen-logp lf")
    assert run(capsys, "fit", SOFTMAX, file, *scalar)[0] == 130


def test_variants_lists_every_variant_and_regime(capsys):
    code, out, _ = run(capsys, "variants")
    assert code == 0
    for variant in variants().values():
        assert variant.name in out
        assert all(regime in out for regime in variant.regimes)
    code, out, err = run(capsys, "variants", "--json")
    listed = json.loads(out)
    assert (code, err) == (0, "")
    assert {v: set(entry["regimes"]) for v, entry in listed.items()} == {
        v: set(variant.regimes) for v, variant in variants().items()
    }
    assert listed[MULTINOMIAL]["gates"] == ["softmax", "constant"]


@pytest.mark.parametrize(
    ("variant", "regime"),
    [(own.name, "distinguishable") for own in variants().values() if own.frozen],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_simulate_states_the_frozen_expert_that_the_regime_has(
    tmp_path, capsys, variant, regime, ending
):
    file = tmp_path / f"d.{ending}"
    argv = ["simulate", variant, "--regime", regime, "-n", 30, "--seed", 4, "-o", file]
    code, out, err = run(capsys, *argv)
    assert (code, out) == (0, "")
    assert list(tmp_path.iterdir()) == [file]
    truth, command = err.splitlines()
    assert truth.startswith("truth: ")
    assert command.startswith(f"bayes-cmoe fit {variant} {file} -y y -x x1")
    setting = variants()[variant].regime(regime)
    names = [f"x{j + 1}" for j in range(setting.features)]
    x = read_table(file, names).matrix(names)
    expected = setting.frozen.columns(x)
    if setting.classes is None:
        for name, column in expected.items():
            np.testing.assert_array_equal(read_table(file, [name]).columns[name], column)
    else:
        probs = [f"frozen_p{k}" for k in range(setting.classes)]
        table = read_table(file, [*probs, "y"])
        logits = np.column_stack([expected["frozen_logits"], np.zeros(30)])
        np.testing.assert_allclose(table.matrix(probs), softmax(logits, axis=1), rtol=1e-14)
        assert set(table.columns["y"]) <= set(range(setting.classes))


def test_simulate_is_the_same_for_the_same_seed_and_moves_with_the_exponents(tmp_path, capsys):
    def draw(*options):
        file = tmp_path / "d.csv"
        argv = ["simulate", SOFTMAX, "--regime", "merging", "-n", 20, "-o", file, *options]
        code, _, err = run(capsys, *argv)
        assert code == 0
        return file.read_text(), err

    first, truth = draw("--seed", 1)
    assert draw("--seed", 1) == (first, truth)
    assert draw("--seed", 2)[0] != first
    assert draw("--seed", 1, "--gamma", "1/4")[1] != truth
    assert draw("--seed", 1, "--gamma", "1/8") == (first, truth)


def test_simulate_then_fit_recovers_the_truth_within_three_standard_errors(tmp_path, capsys):
    file = tmp_path / "d.csv"
    argv = ["simulate", SOFTMAX, "--regime", "distinguishable", "-n", 5000, "--seed", 1]
    _, _, err = run(capsys, *argv, "-o", file)
    program, *command = shlex.split(err.splitlines()[-1])
    assert program == "bayes-cmoe"
    code, out, err = run(capsys, *command, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert (record["variant"], record["n"], record["method"]) == (SOFTMAX, 5000, "map")
    assert record["status"] == "converged"
    truth = variants()[SOFTMAX].regime("distinguishable").truth(5000)
    assert list(record["estimate"]) == list(record["stderr"]) == ["beta", "tau", "a", "nu"]
    for name, value in truth.items():
        error = np.abs(np.array(record["estimate"][name]) - value)
        assert (error < 3 * np.array(record["stderr"][name])).all(), name
    # Under the flat prior logp - loglik is minus the log volume of the box, whatever the data.
    assert record["logp"] < record["loglik"]


def test_several_prompts_are_simulated_and_fitted_in_the_order_of_their_shares(tmp_path, capsys):
    file, name = tmp_path / "d.csv", "softmax_several_prompts"
    argv = ["simulate", name, "--regime", "distinguishable", "-n", 1500, "--seed", 2, "-o", file]
    _, _, err = run(capsys, *argv)
    _, *command = shlex.split(err.splitlines()[-1])
    assert command[-2:] == ["--prompts", "2"]
    code, out, err = run(capsys, *command, "--starts", 32, "--prior", "flat", "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["estimate"]["tau"] == sorted(record["estimate"]["tau"], reverse=True)
    truth = variants()[name].regime("distinguishable").truth(1500)
    for parameter, value in truth.items():
        error = np.abs(np.array(record["estimate"][parameter]) - value)
        assert (error < 4 * np.array(record["stderr"][parameter])).all(), parameter
    fit = [*command[:2], file, *command[3:-2]]
    assert_refused(capsys, [*fit, "--prompts", 0], "--prompts 0")
    assert_refused(capsys, [*fit, "--prompts", 9], "--prompts 9")
    assert_refused(capsys, ["diagnose", *fit[1:]], "one prompt and the model has 2")


def test_experts_alone_are_simulated_and_fitted_in_the_order_of_their_intercepts(tmp_path, capsys):
    file, name = tmp_path / "d.csv", "softmax_gaussian_moe"
    argv = ["simulate", name, "--regime", "exact", "-n", 600, "--seed", 3, "-o", file]
    _, _, err = run(capsys, *argv)
    _, *command = shlex.split(err.splitlines()[-1])
    assert command[-2:] == ["--experts", "2"]
    assert file.read_text().splitlines()[0] == "x1,y"
    folder = tmp_path / "out"
    code, out, err = run(capsys, *command, "--starts", 32, "-o", folder, "--json")
    assert (code, err) == (0, f"wrote fit.nc, estimates.png, fit.png to {folder}\n")
    record = json.loads(out)
    assert record["estimate"]["b"] == sorted(record["estimate"]["b"])
    for parameter, value in variants()[name].regime("exact").truth(600).items():
        error = np.abs(np.array(record["estimate"][parameter]) - value)
        assert (error < 4 * np.array(record["stderr"][parameter])).all(), parameter
    code, out, _ = run(capsys, "predict", folder / "fit.nc", file, "-o", tmp_path / "p.csv")
    assert code == 0
    told = pd.read_csv(tmp_path / "p.csv")
    held = pd.read_csv(file)["y"].between(told["lower"], told["upper"]).mean()
    # Intervals of 90 per cent: of 600 rows, within four standard errors.
    assert held == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / 600))
    fit = [*command[:2], file, *command[3:-2]]
    assert_refused(capsys, [*fit, "--experts", 9], "--experts 9: give a number from 1 to 8")
    assert_refused(capsys, [*fit, "--prompts", 2], "has trainable experts only: give --experts")
    assert_refused(capsys, [*fit, "--frozen-logp", "y"], "no frozen expert: leave the options")
    prompts = ["fit", SOFTMAX, file, "-y", "y", "-x", "x1", "--experts", 2]
    assert_refused(capsys, prompts, "a frozen expert and prompts: give --prompts")


@pytest.mark.filterwarnings("default::bayes_cmoe.estimate.diagnostics.SamplingWarning")
def test_nuts_writes_the_whole_folder_and_one_json_object(tmp_path, capsys):
    rng = np.random.default_rng(2)
    x = rng.normal(size=400)
    new = rng.random(400) < 0.4
    y = np.where(new, 2.0 - x + 0.5 * rng.normal(size=400), x + rng.normal(size=400))
    columns = {"$dose$": x, "y": y, "m": x, "s": np.ones(400)}
    file, out_folder = tmp_path / "t.csv", tmp_path / "a" / "b"
    file.write_text(as_text({name: [repr(float(v)) for v in c] for name, c in columns.items()}))
    options = shlex.split("-y y -x $dose$ --expert linear --frozen-family gaussian --frozen-mean m")
    sampling = shlex.split("--frozen-scale s --method nuts --draws 500 --chains 2 --json -o")
    argv = ["fit", "constant_contaminated", file, *options, *sampling, out_folder]
    code, out, _ = run(capsys, *argv)
    assert code == 0
    record = json.loads(out)
    assert record["method"] == "nuts"
    assert record["divergences"] == 0
    assert record["interval"] == "90% equal-tailed"
    assert set(record["posterior"]) == {"lam", "a", "b", "nu"}
    for name, figures in record["posterior"].items():
        shape = np.shape(record["estimate"][name])
        assert set(figures) == {"mean", "sd", "interval", "rhat", "ess_bulk"}
        assert all(np.shape(figures[key]) == shape for key in ("mean", "sd", "rhat", "ess_bulk"))
        low, high = np.array(figures["interval"])
        assert ((low < figures["mean"]) & (figures["mean"] < high)).all()
        # 90 % of a near-normal posterior: 3.29 standard deviations wide.
        np.testing.assert_allclose((high - low) / figures["sd"], 3.29, rtol=0.15)
    names = {"fit.nc", "fit.png", "estimates.png", "posterior.png"}
    assert {entry.name for entry in out_folder.iterdir()} == names
    assert {entry.name for entry in tmp_path.iterdir()} == {"t.csv", "a"}
    for figure in names - {"fit.nc"}:
        assert (out_folder / figure).read_bytes().startswith(b"\x89PNG")
    with xr.open_datatree(out_folder / "fit.nc", engine="h5netcdf") as saved:
        assert saved.attrs["variant"] == "constant_contaminated"
        mean = saved["posterior"]["lam"].mean().item()
        assert mean == pytest.approx(record["posterior"]["lam"]["mean"], rel=1e-12)
        assert saved["point_estimate"]["lam"].item() == record["estimate"]["lam"]


def doctored(monkeypatch, status):
    """Let the fit end with another status and figures that are no numbers, and print to stdout."""
    real = engine.estimated

    def fitted(*arguments, **options):
        print("noise of a library")
        tree = real(*arguments, **options)
        result = tree["optimizer_result"].to_dataset().assign(status=status, loglik=np.nan)
        result.attrs["at_edge"] = "b"
        tree["optimizer_result"] = xr.DataTree(result)
        error = tree["standard_error"].to_dataset()
        tree["standard_error"] = xr.DataTree(error.assign(nu=np.nan, lam=np.inf))
        return tree

    monkeypatch.setattr(engine, "estimated", fitted)


@pytest.mark.parametrize("status", ["stalled", "non-finite", "failed", "edge"])
def test_how_a_fit_ends_is_in_the_json_and_the_exit_status(tmp_path, capsys, monkeypatch, status):
    file = tmp_path / "good.csv"
    file.write_text(as_text(good_columns()))
    doctored(monkeypatch, status)
    options = shlex.split("-y y -x x1 --expert linear --frozen-logp lf --starts 1")
    code, out, err = run(capsys, "fit", "constant_contaminated", file, *options, "--json")
    record = json.loads(out)
    assert record["status"] == status
    assert code == (0 if status == "edge" else 3)
    assert record["loglik"] is None
    assert record["stderr"]["nu"] is None
    assert record["stderr"]["lam"] is None
    assert np.isfinite(record["estimate"]["a"]).all()
    noise, said = err.splitlines()
    assert noise == "noise of a library"
    assert said.startswith("bayes-cmoe: ")
    assert ("in b:" if status == "edge" else status) in said


def test_without_json_a_table_names_every_parameter(tmp_path, capsys):
    columns = good_columns()
    columns["[bold]"] = columns.pop("x1")
    file = tmp_path / "good.csv"
    file.write_text(as_text(columns))
    options = shlex.split("-y k -x [bold],x2 --frozen-probs p0,p1,p2 --gate constant --prior weak")
    code, out, err = run(capsys, "fit", MULTINOMIAL, file, *options, "-o", tmp_path / "o")
    assert code == 0
    for label in ("lam", "a[0,[bold]]", "a[1,x2]", "b[1]", "map: converged", "n = 40"):
        assert label in out
    assert err == f"wrote fit.nc, estimates.png to {tmp_path / 'o'}\n"
    assert {entry.name for entry in (tmp_path / "o").iterdir()} == {"fit.nc", "estimates.png"}


def test_what_cannot_be_saved_leaves_nothing(tmp_path, capsys, monkeypatch):
    file = tmp_path / "good.csv"
    file.write_text(as_text(good_columns()))

    def full(tree):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fit_figures, "fit_figures", full)
    options = shlex.split("-y y -x x1 --expert linear --frozen-logp lf --starts 1 --json")
    argv = ["fit", "constant_contaminated", file, *options, "-o", tmp_path / "o"]
    assert_refused(capsys, argv, "No space left on device")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(KeyboardInterrupt, 130, "interrupted"), (MemoryError, 2, "out of memory")],
)
def test_an_interruption_is_one_line(tmp_path, capsys, monkeypatch, error, code, words):
    file = tmp_path / "good.csv"
    file.write_text(as_text(good_columns()))

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(engine, "estimated", fail)
    status, out, err = run(capsys, "fit", SOFTMAX, file, *SCALAR, "-o", tmp_path / "o")
    assert (status, out) == (code, "")
    assert err.startswith(f"bayes-cmoe: error: {words}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [file]


def test_the_module_runs_and_a_closed_pipe_is_quiet():
    command = f"{shlex.quote(sys.executable)} -m bayes_cmoe"
    closed = f"{command} variants | true; {command} variants >&-"
    line = f"{closed}; {command} --help; {command} fit; echo $?"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert "simulate" in done.stdout
    assert done.stdout.endswith("\n2\n")
    assert done.stderr.startswith("bayes-cmoe: error: ")
    assert done.stderr.count("\n") == 1
