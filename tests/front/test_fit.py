"""The front door makes the model that the factory makes."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression

from bayes_cmoe import Data, fit, frozen_predictions, variant_named
from bayes_cmoe.compiled.likelihood import layout_of
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.front.origin import model_of, origin_of
from tests.front.conftest import STATED


def test_a_fit_is_that_of_the_factory(measured, number_fit):
    frozen = frozen_predictions("gaussian", measured["f0"], measured["s0"])
    data = Data(measured[["p", "q"]], measured["y"], ("p", "q"))
    model = variant_named("softmax_contaminated").build(data, frozen=frozen, expert="linear")
    direct = fit_map(model)
    for name, value in direct["point_estimate"].data_vars.items():
        np.testing.assert_array_equal(number_fit["point_estimate"][name], value)
    assert list(number_fit["point_estimate"]["feature"].to_numpy()) == ["p", "q"]


def test_a_fit_says_how_it_was_made(number_fit):
    origin = origin_of(number_fit)
    assert (origin.variant, origin.expert, origin.gate) == (
        "softmax_contaminated", "linear", "softmax",
    )  # fmt: skip
    assert origin.features == ("p", "q")
    assert origin.frozen == {"by": "columns", **STATED}


def test_its_model_is_built_again_to_six_digits_of_the_prior(number_fit):
    """What is written down of a prior has six digits, so the log posterior has about as many."""
    model = model_of(number_fit)
    point = {k: v.to_numpy() for k, v in number_fit["point_estimate"].data_vars.items()}
    logp = model.compile_logp(jacobian=False)(
        {model.rvs_to_values[rv].name: _moved(model, rv, point[rv.name]) for rv in model.free_RVs}
    )
    assert float(logp) == pytest.approx(number_fit["optimizer_result"]["logp"].item(), abs=1e-3)


def _moved(model, rv, value):
    transform = model.rvs_to_transforms[rv]
    return value if transform is None else transform.forward(value, *rv.owner.inputs).eval()


def test_labels_of_any_kind_are_coded_in_the_classifiers_order(sorted_animals, class_fit):
    table, model = sorted_animals
    codes = {label: code for code, label in enumerate(model.classes_)}
    expected = table["kind"].map(codes).to_numpy()
    np.testing.assert_array_equal(class_fit["observed_data"]["y"], expected)
    assert origin_of(class_fit).labels == ("cat", "dog", "eel")
    np.testing.assert_allclose(
        class_fit["constant_data"]["frozen_probs"],
        model.predict_proba(table[["p", "q"]].to_numpy()),
    )


def test_all_other_columns_are_the_inputs_when_none_are_named(measured):
    tree = fit(measured, y="y", frozen=STATED, expert="linear", starts=32)
    assert list(tree["constant_data"]["feature"].to_numpy()) == ["p", "q"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"y": "effect"}, "no column 'effect'"),
        ({"x": ["p", "y"]}, "both response and input"),
        ({"method": "em"}, "known: map, nuts, nested|known: map, nested, nuts"),
        ({"expert": "tnah"}, "did you mean 'tanh'"),
        ({"frozen": {"probs": {"u": "p", "v": "q"}}}, "negative or not a number"),
        ({"frozen": {"family": "poisson", "arguments": {"log_rate": "p"}}}, "name a variant"),
        ({"variant": "constant_contaminated", "gate": "softmax"}, "gate of constant"),
    ],
)
def test_bad_words_are_refused_by_name(measured, changed, words):
    given = {"y": "y", "x": ["p", "q"], "frozen": STATED} | changed
    with pytest.raises(InputError, match=words):
        fit(measured, **given)


def test_a_label_that_the_frozen_model_does_not_know_is_named(sorted_animals):
    table, model = sorted_animals
    strange = table.assign(kind=table["kind"].where(table.index > 0, "fox"))
    with pytest.raises(InputError, match="label 'fox'"):
        fit(strange, y="kind", x=["p", "q"], frozen=model)


def test_text_is_no_number(measured):
    with pytest.raises(InputError, match="numbers"):
        fit(measured.assign(y="high"), y="y", x=["p"], frozen=STATED)


def test_a_dataset_of_xarray_is_a_table(measured, number_fit):
    rows = xr.Dataset({name: ("row", measured[name].to_numpy()) for name in measured})
    tree = fit(rows, y="y", x=["p", "q"], frozen=STATED, expert="linear")
    assert tree["optimizer_result"]["logp"].item() == number_fit["optimizer_result"]["logp"].item()


def test_layout_is_that_of_the_tree(number_fit):
    assert layout_of(model_of(number_fit)).names == tuple(number_fit["point_estimate"].data_vars)


def test_a_response_may_be_given_beside_the_table(measured, number_fit):
    y = pd.Series(measured["y"].to_numpy(), name="outcome")
    tree = fit(measured.drop(columns="y"), y=y, x=["p", "q"], frozen=STATED, expert="linear")
    assert origin_of(tree).response == "outcome"
    assert tree["optimizer_result"]["logp"].item() == number_fit["optimizer_result"]["logp"].item()


def test_rows_are_never_matched_by_place_when_their_labels_differ(measured):
    y = measured["y"].sample(frac=1.0, random_state=1)
    with pytest.raises(InputError, match="labels its rows differently"):
        fit(measured, y=y, x=["p", "q"], frozen=STATED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[:4], "4 rows for 7 parameters"),
        (lambda t: t.assign(q=3.0), "'q' is constant"),
        (lambda t: t.assign(p=np.nan), "not finite|missing|not a number"),
        (lambda t: t.assign(p="high"), "p'"),
        (lambda t: t.assign(y=t["y"] > 0), "holds no numbers"),
    ],
)
def test_tables_that_will_not_do_are_refused(measured, change, words):
    with pytest.raises(InputError, match=words):
        fit(change(measured), y="y", x=["p", "q"], frozen=STATED, expert="linear")


def test_truth_values_are_classes_of_a_classifier(measured):
    table = measured.assign(kind=measured["y"] > 0)
    model = LogisticRegression().fit(table[["p", "q"]], table["kind"])
    tree = fit(table, y="kind", x=["p", "q"], frozen=model, starts=32)
    np.testing.assert_array_equal(tree["observed_data"]["y"], table["kind"].astype(float))
    assert origin_of(tree).labels == (False, True)
