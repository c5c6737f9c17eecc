"""Any words after any command: used as written, or refused."""

import itertools
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayes_cmoe.commands.diagnose as diagnose_command
import bayes_cmoe.commands.simulate as simulate_command
import bayes_cmoe.commands.test as test_command
import bayes_cmoe.front.advise as advise_module
import bayes_cmoe.front.estimated as engine
import bayes_cmoe.front.next_rows as next_module
import bayes_cmoe.front.predict as predict_module
import bayes_cmoe.report.explanation_page as explanation_module
import bayes_cmoe.sweep.run as sweep_run
import bayes_cmoe.theory.exponents as exponents
import bayes_cmoe.theory.planner as planner
from bayes_cmoe.commands.cli import main
from tests.fuzz.answers import answer, many, taken

pytestmark = pytest.mark.slow

N = 40
VARIANT, REGIME = "constant_contaminated", "merging"
FROZEN = ["--frozen-family", "gaussian", "--frozen-mean", "m", "--frozen-scale", "s"]
TABLE = ["-y", "y", "-x", "x1,x2", *FROZEN]
VALID = {
    "variants": [],
    "simulate": [VARIANT, "--regime", REGIME, "-n", "30", "-o", "{folder}/new.csv"],
    "fit": [VARIANT, "{folder}/good.csv", *TABLE],
    "diagnose": [VARIANT, "{folder}/good.csv", *TABLE],
    "test": [VARIANT, "{folder}/good.csv", *TABLE],
    "predict": ["{folder}/fit.nc", "{folder}/good.csv", "-o", "{folder}/new.csv"],
    "advise": ["{folder}/good.csv", "-x", "x1,x2", *FROZEN],
    "next": ["{folder}/fit.nc", "{folder}/good.csv"],
    "explain": ["{folder}/fit.nc", "-o", "{folder}/page"],
    "theory": [VARIANT, "--regime", REGIME],
    "plan": [VARIANT, "--regime", REGIME, "-n", "1000"],
    "calibrate": [VARIANT, "-o", "{folder}/calibration"],
    "compare": ["quick", "-o", "{folder}/run"],
    "report": ["{folder}/none"],
    "status": ["{folder}/none"],
}
OPTIONS = (
    "--seed", "--draws", "--starts", "--tune", "--chains", "-n", "--alpha", "--gamma", "--error",
    "--at", "--truth", "--workers", "--json", "--expert", "--no-bias", "--gate", "--prior",
    "--method", "--frozen-scale", "--frozen-df", "--frozen-logp", "--frozen-probs", "-x", "-y",
    "-o", "--parameter", "--regime", "--cluster", "--retry-failed", "--help", "--version", "--",
    "--kind", "--engine", "--datasets", "--ranked", "--intervals", "--level", "--calibrate",
    "--log-likelihood", "--wanted", "--rows", "--experts", "--share", "--shift", "--truths",
    "--seed.a", "--x.0", "--features.0", "--empty-features", "--no-json", "--colour",
)  # fmt: skip
NASTY = (
    "", " ", "-", "--", "=", "0", "-0", "1", "-1", "1.9", "1e4", "1e308", "1e309", "-1e300",
    "1e-999999999", "9" * 400, "nan", "inf", "-inf", "NaN", "None", "null", "true", "0x10", "1_0",
    "1/8", "1/0", "0/0", "１", "²", "1,5", ",", "x1,,x2", "x1,x1", "x1", "y", "[1]", '["x1","x2"]',
    "{}", '{"lam": 0.2}', '{"lam": NaN}', '{"a": [[', "[[[", "'", '"', "\n", "a\nb", "\t",
    "\x1b[31m", "\udcff", "é", "🙂", "../..", "/", "/dev/null", "/dev/zero", "~", "*", "%s", "{x}",
    "$(x)", "\\", "a" * 300, ".".join("a" * 60), "[bold]", "quick", "flat", "weak", "map", "nuts",
    "tanh", "linear",
)  # fmt: skip
any_word = st.one_of(
    st.sampled_from(NASTY),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=20),
)


def columns():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(N, 2))
    return {
        "x1": x[:, 0], "x2": x[:, 1], "y": x[:, 0] + rng.normal(size=N), "m": x[:, 0],
        "s": np.ones(N), "k": np.arange(N) % 2.0, "p": np.full(N, 0.25), "q": np.full(N, 0.75),
        "l": -1 - rng.random(N), "7": np.full(N, 2.0),
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("fuzz")
    given = columns()
    rows = np.column_stack([*given.values()]).tolist()
    lines = [",".join(given), *(",".join(map(repr, row)) for row in rows)]
    (place / "good.csv").write_text("\n".join(lines) + "\n")
    assert main(["fit", VARIANT, str(place / "good.csv"), *TABLE, "-o", str(place)]) in (0, 3)
    for figure in place.glob("*.png"):
        figure.unlink()
    return place


def stopped(argv):
    """An answer that ends where a slow part would begin, and what reached that part."""
    slow = (
        (engine, "estimated"), (diagnose_command, "_diagnosed"), (simulate_command, "draw"),
        (test_command, "_tested"), (predict_module, "predict"), (explanation_module, "explain"),
        (next_module, "next_rows"), (advise_module, "advise_at"),
        (planner, "information_along"), (exponents, "information_along"), (sweep_run, "run_sweep"),
    )  # fmt: skip
    ends = [taken(*place) for place in slow]
    found = [end.__enter__() for end in ends]
    try:
        given = answer(argv)
    finally:
        for end in ends:
            end.__exit__(None, None, None)
    reached = list(itertools.chain.from_iterable(found))
    assert (given.code == 130) == bool(reached)
    return given, reached


@many(500)
@given(data=st.data())
def test_any_words(folder, data):
    command = data.draw(st.sampled_from(sorted(VALID)))
    words = [word.format(folder=folder) for word in VALID[command]]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words)))
        action = data.draw(st.sampled_from(["replace", "insert", "drop", "option", "joined"]))
        if action == "option":
            words += [data.draw(st.sampled_from(OPTIONS)), data.draw(any_word)]
        elif action == "joined":
            words.append(f"{data.draw(st.sampled_from(OPTIONS))}={data.draw(any_word)}")
        elif action == "insert":
            words.insert(place, data.draw(any_word))
        elif action == "replace" and place < len(words):
            words[place] = data.draw(any_word)
        else:
            del words[place : place + 1]
    stopped([command, *words])
    assert {file.name for file in folder.iterdir()} == {"good.csv", "fit.nc"}


@many(60)
@given(words=st.lists(any_word, max_size=6))
def test_no_command_at_all(words):
    stopped(words)


def same(word, value):
    """Whether a number is the one that a word writes, by the decimal and fraction of Python."""
    if "/" in word:
        return float(Fraction(word)) == value
    try:
        written = Decimal(word)
    except InvalidOperation:
        return False
    return written == value or float(written) == value


NUMBERS = {
    "--seed": ("fit", lambda arguments, options: options["seed"]),
    "--draws": ("fit", lambda arguments, options: options["draws"]),
    "--starts": ("fit", lambda arguments, options: options["starts"]),
    "--tune": ("fit", lambda arguments, options: options["tune"]),
    "--chains": ("fit", lambda arguments, options: options["chains"]),
    "--frozen-scale": ("fit", lambda arguments, options: frozen_column(arguments[0], "scale")),
    "-n": ("simulate", lambda arguments, options: arguments[2]),
    "--gamma": ("simulate", lambda arguments, options: options["gamma"]),
    "--datasets": ("calibrate", lambda arguments, options: arguments[0].calibrate.replications),
    "--workers": ("compare", lambda arguments, options: options["workers"]),
}


def frozen_column(setting, name):
    column = setting.frozen.columns(setting.data.x)[f"frozen_{name}"]
    assert np.ptp(column) == 0
    return column[0]


@many(400)
@given(
    option=st.sampled_from(sorted(NUMBERS)),
    word=st.one_of(
        any_word,
        st.integers(0, 2000).map(str),
        st.floats(0, 2000).map(repr),
        st.integers(0, 40).map(lambda k: f"{k / 4}"),
        st.integers(1, 9).map(lambda k: f"{k}e2"),
        st.fractions(0, 1, max_denominator=16).map(str),
    ),
)
def test_a_number_that_is_taken_is_the_one_that_was_given(folder, option, word):
    command, used = NUMBERS[option]
    words = [text.format(folder=folder) for text in VALID[command]]
    if option in words:
        del words[words.index(option) : words.index(option) + 2]
    _, reached = stopped([command, *words, f"{option}={word}"])
    for arguments, options in reached:
        if not (option == "--frozen-scale" and word in columns()):
            assert same(word.strip(), used(arguments, options)), (option, word)
