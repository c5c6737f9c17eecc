"""`bayes-cmoe theory --learning-coefficient`."""

import json

import pytest

from bayes_cmoe.commands.theory import theory
from bayes_cmoe.theory import learning


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer particles: what is looked at is where the numbers go."""
    whole = learning.learning_coefficient

    def few(*given, **settings):
        return whole(*given, **settings, runs=2, particles=32, precisions=[10.0, 100.0])

    monkeypatch.setattr(learning, "learning_coefficient", few)


WORDS = {"regime": "distinguishable", "n": [1e3, 1e4], "draws": 2**17}


@pytest.mark.usefixtures("quick")
def test_it_is_in_the_object_and_in_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    theory("constant_contaminated", **WORDS, learning_coefficient=True, json=True)
    content = json.loads(capsys.readouterr().out)
    own = content["learning_coefficients"]["distinguishable"]
    assert own["m"] == 100.0
    assert own["parameters"] == 4
    assert own["lower"] < own["coefficient"] < own["upper"]
    theory("constant_contaminated", **WORDS, learning_coefficient=True)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"distinguishable: learning coefficient {own['coefficient']:.2f}" in shown
    assert "half the number of parameters is 2" in shown


def test_it_is_not_computed_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    theory("constant_contaminated", **WORDS, json=True)
    assert set(json.loads(capsys.readouterr().out)) == {"variant", "rows"}
