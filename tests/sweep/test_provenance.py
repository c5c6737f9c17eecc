"""What a run was made with: versions, the code's statements, the truth as numbers."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import bayes_cmoe.sweep.provenance as provenance
from bayes_cmoe.parts.experts import EXPERTS, Expert
from bayes_cmoe.study.variant import variant_named, variants
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.presets import preset
from bayes_cmoe.sweep.provenance import THEORY_ROOMS, difference, truth_of, versions
from bayes_cmoe.sweep.setting import Setting
from tests.sweep.designs import BOTH, FADING, FAR, NEAR

ROOT = Path(__file__).parents[2]


def test_versions_are_those_installed():
    found = versions()
    for name in ("pymc", "pytensor", "jax", "numpy", "scipy", "nutpie"):
        assert found[name] == version(name)
    assert found["bayes_cmoe"].startswith(version("bayes-cmoe") + " (code ")
    assert versions(THEORY_ROOMS)["bayes_cmoe"] != found["bayes_cmoe"]


def code(tmp_path, text):
    file = tmp_path / f"{abs(hash(text))}.py"
    file.write_text(text, encoding="utf-8")
    return provenance._code([file])


def test_the_code_is_its_statements(tmp_path):
    plain = code(tmp_path, "def f(x):\n    return 2.0 * x\n")
    spelled = '"""What."""\n\n# Why.\ndef f(x):\n    """How."""\n    return (2.0 *\n      x)\n'
    assert code(tmp_path, spelled) == plain
    for other in ("def f(x):\n    return 2.5 * x\n", "def f(x):\n    return 2.0 + x\n"):
        assert code(tmp_path, other) != plain


def test_all_settings_have_a_fingerprint_of_their_own():
    for name in ("regimes", "paper-b"):
        design = preset(name)
        assert len({truth_of(design, setting) for setting in design.settings}) == len(
            design.settings
        )
    labels = [f"{name}/{regime}" for name, own in variants().items() for regime in own.regimes]
    for label in labels:
        setting = Setting.parse(label)
        design = Design("one", (setting,), MapPlan((10**5,), 1))
        assert len(truth_of(design, setting)) == 16


def test_it_is_the_same_again_and_depends_on_sizes_and_exponents():
    again = Design("again", BOTH.settings, BOTH.map, BOTH.nuts)
    assert truth_of(again, FAR) == truth_of(BOTH, FAR)
    assert truth_of(BOTH, FAR) != truth_of(BOTH, FADING)
    other = Design("other", (NEAR,), MapPlan((1000,), 1))
    more = Design("other", (NEAR,), MapPlan((1000, 2000), 1))
    assert truth_of(other, NEAR) != truth_of(more, NEAR)


CHANGES = {
    "box": lambda r: {"box": {k: (low, high * (1 + 1e-6)) for k, (low, high) in r.box.items()}},
    "truth": lambda r: {"path": replace(r.path, delta=r.path.delta + 1e-6)},
    "center": lambda r: {
        "path": replace(r.path, center={k: np.add(v, 1e-6) for k, v in r.path.center.items()})
    },
    "inputs": lambda r: {"inputs": lambda rng, n: rng.uniform(size=(n, r.features))},
    "options": lambda r: {"options": MappingProxyType({"gate": "softmax"})},
    "classes": lambda r: {"classes": 3},
    "expert": lambda r: {"expert": "same-name"},
    "form": lambda r: {"name": r.name},
    "frozen": lambda r: {"frozen": replace(r.frozen, columns=lambda x: shifted(r, x))},
    "family": lambda r: {
        "frozen": replace(r.frozen, family=replace(r.frozen.family, name="other"))
    },
}


def shifted(regime, x):
    return {name: column * (1 + 1e-6) for name, column in regime.frozen.columns(x).items()}


@pytest.fixture
def same_name(monkeypatch):
    """An expert of another form, or of the same one, under a name of its own."""
    variant = variant_named(NEAR.variant)
    form = EXPERTS[variant.regime(NEAR.regime).expert]
    other = Expert(
        "same-name", form.dims, lambda x, **own: 1.000001 * form.mean(x, **own), form.bounded
    )
    monkeypatch.setitem(EXPERTS, "same-name", other)
    return form


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_whatever_moves_the_data_or_the_search_counts(what, monkeypatch, same_name):
    design = Design("one", (NEAR,), MapPlan((1000,), 1))
    before = truth_of(design, NEAR)
    variant = variant_named(NEAR.variant)
    regime = variant.regime(NEAR.regime)
    if what == "form":
        other_form = replace(EXPERTS["same-name"], name=regime.expert)
        monkeypatch.setitem(EXPERTS, regime.expert, other_form)
    changed = replace(regime, **CHANGES[what](regime))
    other = replace(variant, regimes={**variant.regimes, NEAR.regime: changed})
    monkeypatch.setattr(provenance, "variant_named", lambda name: other)
    assert truth_of(design, NEAR) != before


def test_the_variants_own_code_counts(monkeypatch):
    design = Design("one", (NEAR,), MapPlan((1000,), 1))
    before = truth_of(design, NEAR)
    variant = variant_named(NEAR.variant)
    monkeypatch.setattr(provenance, "variant_named", lambda name: replace(variant))
    assert truth_of(design, NEAR) == before
    monkeypatch.setattr(provenance, "_source", lambda *own: "other statements")
    monkeypatch.setattr(provenance, "variant_named", lambda name: replace(variant))
    assert truth_of(design, NEAR) != before
    monkeypatch.undo()
    regime = variant.regime(NEAR.regime)
    expert = EXPERTS[regime.expert]
    own = provenance._code([ROOT / "models" / f"{variant.name}.py"])
    assert provenance._source(variant, regime, expert) == own


def test_an_experts_form_counts_and_not_its_name_alone(same_name):
    x = np.random.default_rng(0).standard_normal((4, 2))
    form = provenance._form(same_name, x)
    assert not np.array_equal(form, provenance._form(EXPERTS["same-name"], x))


def test_the_last_digits_which_processors_differ_in_do_not_count():
    plain = provenance._plain
    assert plain(np.array([1.0, 2e5, 1e-17])) == plain(np.array([1.0 + 1e-13, 2e5 - 1e-9, 0.0]))
    assert plain(1.0) != plain(1.0 + 1e-7)
    assert plain(np.ones(2)) != plain(np.ones((1, 2)))


def test_a_difference_is_said_in_words():
    assert difference({"a": "1"}, {"a": "1"}) == ""
    assert difference({"a": "1", "b": "2"}, {"b": "3"}) == "a 1, not none, b 2, not 3"
