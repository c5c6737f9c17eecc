"""Words of the command line: used as they are written, or refused with their option."""

import inspect
from dataclasses import is_dataclass
from fractions import Fraction
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from cyclopts import App, CycloptsError
from hypothesis import given
from hypothesis import strategies as st

import bayes_cmoe.commands.cli as cli
from bayes_cmoe.commands import (
    advise,
    calibrate,
    compare,
    diagnose,
    explain,
    fit,
    plan,
    predict,
    report,
    simulate,
    status,
    theory,
    variants,
)
from bayes_cmoe.commands import next as following
from bayes_cmoe.commands import test as absence
from bayes_cmoe.commands.cli import main
from bayes_cmoe.commands.words import (
    MOST_WORDS,
    Exponent,
    Number,
    Place,
    Rows,
    Sizes,
    Whole,
    check_words,
    number_of,
)
from bayes_cmoe.errors import InputError

COMMANDS = [
    absence.test, advise.advise, calibrate.calibrate, compare.compare, diagnose.diagnose,
    explain.explain, fit.fit, following.next, plan.plan, predict.predict, report.report,
    simulate.simulate, status.status, theory.theory, variants.variants,
]  # fmt: skip


def read_as(kind, *words):
    """What an option of this type becomes."""
    app = App(result_action="return_value")
    found = []

    @app.default
    def command(*, option: kind):  # type: ignore[valid-type]
        found.append(option)

    app([f"--option={word}" for word in words], exit_on_error=False, print_error=False)
    return found[0]


def complaint(kind, *words):
    with pytest.raises(CycloptsError) as caught:
        read_as(kind, *words)
    own = caught.value.__cause__
    assert isinstance(own, InputError)
    return str(own)


@pytest.mark.parametrize(
    ("kind", "word", "value"),
    [
        (Whole, "0", 0), (Whole, "-3", -3), (Whole, "+7", 7), (Whole, "1e4", 10_000),
        (Whole, "1E4", 10_000), (Whole, "30.0", 30), (Whole, "2.5e1", 25),
        (Whole, "9223372036854775807", 2**63 - 1), (Whole, "18446744073709551617", 2**64 + 1),
        (Number, "0.05", 0.05), (Number, "-1e-3", -1e-3), (Number, ".5", 0.5), (Number, "2.", 2.0),
        (Number, "0", 0.0), (Rows, "1e12", 1e12), (Rows, "100", 100.0),
        (Exponent, "1/8", 0.125), (Exponent, "0.125", 0.125), (Exponent, "0", 0.0),
        (Exponent, "1", 1.0),
    ],
)  # fmt: skip
def test_a_word_is_read_as_it_is_written(kind, word, value):
    found = read_as(kind, word)
    assert found == value
    assert type(found) is type(value)


WRONG = (
    "", " ", "x", "nan", "inf", "-inf", "0x10", "1_000", "１", "1e", "1,5", "1 2", "1e99999", "²"
)  # fmt: skip


TOO_FAR = ("1/0", "-1/8", "1.01", "9/8", "-1e300", "1e-999999999", "1//8")


@pytest.mark.parametrize(
    ("kind", "word"),
    [(kind, word) for kind in (Whole, Number, Rows, Exponent) for word in WRONG]
    + [(Whole, word) for word in ("1.9", "1.5", "50.9", "1e-3", "1/1", "1e30", "9" * 5000)]
    + [(Number, word) for word in ("1e301", "1e-301", "1/2")]
    + [(Rows, word) for word in ("1.5", "0", "-1", "1e19", "1e400")]
    + [(Exponent, word) for word in TOO_FAR],
)  # fmt: skip
def test_another_word_is_refused_in_one_line(kind, word):
    message = complaint(kind, word)
    assert message.startswith("--option ")
    assert "give a" in message
    assert len(message) < 200


def test_every_size_of_a_list_is_read():
    assert read_as(Sizes, "1e3", "100000") == [1000.0, 100_000.0]
    assert complaint(Sizes, "1e3", "1.5").startswith("--option 1.5: give a whole number of rows")


@given(value=st.fractions(), places=st.integers(0, 12))
def test_decimals_are_exact(value, places):
    decimal = Fraction(round(value * 10**places), 10**places)
    text = f"{'-' * (decimal < 0)}{abs(round(decimal * 10**places))}e-{places}"
    assert number_of(text) == decimal


def test_a_place_has_a_name():
    assert str(read_as(Place, "a b.csv")) == "a b.csv"
    for word in ("", "  ", "a\0b"):
        assert ": give" in complaint(Place, word)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_no_option_leaves_a_number_or_a_file_to_the_parser(command):
    """The parser's own rounds, and takes an empty name for the folder at hand."""
    ours = {Whole, Number, Rows, Sizes, Exponent, Place}
    checked = {get_args(kind)[1].converter for kind in ours}

    def parts(hint):
        yield hint
        for part in get_args(hint):
            yield from parts(part)

    def options(of):
        for name, hint in get_type_hints(of, include_extras=True).items():
            if is_dataclass(hint):
                yield from options(hint)
            elif name != "return":
                yield name, hint

    for name, hint in options(command):
        hints = list(parts(hint))
        converters = {
            mark.converter for own in hints if get_origin(own) is Annotated
            for mark in own.__metadata__
        }  # fmt: skip
        plain = {own for own in hints if inspect.isclass(own)}
        assert plain <= {str, bool, type(None)} or converters & checked, (name, hint)


def test_all_commands_are_looked_at():
    names = {name for name in cli.app if not name.startswith("-")}
    assert {command.__name__ for command in COMMANDS} == names


def test_long_lines_are_refused_before_they_are_parsed():
    check_words(["fit", *["word"] * (MOST_WORDS - 1)])
    check_words(["fit", "--", "--" + "a" * 1000])
    check_words(["fit", "--features=" + "x," * 1000])
    with pytest.raises(InputError, match="1001 words"):
        check_words(["word"] * (MOST_WORDS + 1))
    with pytest.raises(InputError, match=r"unknown option '--a\.a"):
        check_words(["fit", "--" + ".".join("a" * 1000)])
    with pytest.raises(InputError, match="unknown command 'aaa"):
        check_words(["a" * 1000])


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", "constant_contaminated", "--seed." + ".".join("a" * 50_000), "1"],
        ["fit", "constant_contaminated", "t.csv", "-y", "y", *["-x", "a"] * 50_000],
        ["fit", "constant_contaminated", "t.csv", "-y", "y", "-x", ",".join(["a"] * 100_000)],
        ["a" * 100_000],
        ["variants", "a" * 100_000],
        ["plan", "constant_contaminated", "--regime", "a" * 100_000, "-n", "9"],
    ],
    ids=["dotted", "many", "columns", "command", "extra", "regime"],
)
def test_a_message_is_short_whatever_it_quotes(capsys, words):
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 2200


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        ('{"lam": "x"}', "lam is no number"), ('{"lam": null}', "lam is no number"),
        ('{"lam": true}', "lam is no number"), ('{"lam": {"a": 1}}', "lam is no number"),
        ('{"lam": NaN}', "lam is no number"), ('{"lam": 1e400}', "lam is no number"),
        ('{"a": [1, [2]]}', "a is no number"), (f'{{"lam": 1{"0" * 5000}}}', "lam is no number"),
        ("[" * 100_000, "nested too deep"), (f'{{"a": {"[" * 500}1{"]" * 500}}}', "number"),
        ('{"lam": 0.3, "lam": 0.4}', "given twice"), ("[0.3]", "give an object"),
        ("0.3", "give an object"), ("", "not JSON"), ('{"lam": [1, 2]}', "lam has shape"),
        ('{"lamb": 0.2}', "did you mean 'lam'"), ('{"lam": 1.5}', "outside the box"),
    ],
)  # fmt: skip
def test_a_malformed_truth_is_one_line(capsys, truth, words):
    argv = ["plan", "constant_contaminated", "--regime", "merging", "-n", "100", "--truth", truth]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("option", ["--alpha", "--gamma"])
def test_an_exponent_that_overflows_is_one_line(capsys, option):
    argv = ["plan", "constant_contaminated", "--regime", "merging", "-n", "100", option, "-1e300"]
    assert main(argv) == 2
    assert f"{option} -1e300: give an exponent from 0 to 1" in capsys.readouterr().err
