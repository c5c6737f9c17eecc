"""Designs: as values, as TOML, and their seeds."""

from fractions import Fraction

import pytest

from bayes_cmoe.commands.compare import compare
from bayes_cmoe.errors import InputError
from bayes_cmoe.study.variant import variants
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.presets import PRESETS, design_named, preset, read_design, toml_of
from bayes_cmoe.sweep.setting import Setting
from tests.sweep.designs import BOTH, FAR, NEAR, TINY


def test_the_command_names_every_preset() -> None:
    words = compare.__doc__ or ""
    assert [name for name in PRESETS if name not in words] == []


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_toml(name, tmp_path):
    design = preset(name)
    file = tmp_path / "design.toml"
    file.write_text(toml_of(design), encoding="utf-8")
    assert design_named(file) == design
    assert design_named(file).hash == design.hash


def test_regimes_preset_holds_every_regime_but_paper_bs():
    chosen = {setting.label for setting in preset("regimes").settings}
    known = {f"{name}/{regime}" for name, own in variants().items() for regime in own.regimes}
    left_out = {label for label in known if "/paper-" in label}
    contaminated = {label for label in known if label.split("/")[0].endswith("_contaminated")}
    assert chosen == contaminated - left_out


def test_paper_b_is_as_printed():
    plan = preset("paper-b").map
    assert (plan.sizes[0], plan.sizes[-1], len(plan.sizes)) == (1000, 100_000, 20)
    assert plan.replications == 40


@pytest.mark.parametrize(
    "setting",
    [FAR, Setting("constant_contaminated", "merging", Fraction(1, 8), Fraction(1, 16))],
)
def test_labels_are_read_back(setting):
    assert Setting.parse(setting.label) == setting


def test_tasks_cover_every_fit_once_under_different_names():
    design = preset("regimes")
    tasks = list(design.tasks())
    assert len({task.name for task in tasks}) == len(tasks)
    fits = [(t.method, t.setting, t.n, r) for t in tasks for r in t.replicates]
    assert len(set(fits)) == len(fits) == design.fits
    for method, plan in design.plans.items():
        own = [fit for fit in fits if fit[0] == method]
        assert len(own) == len(design.settings) * len(plan.sizes) * plan.replications


def test_seeds_depend_on_names_and_not_on_their_order():
    turned = Design("other", (NEAR, FAR), map=MapPlan((100_000,), 9))
    here = BOTH.seed(FAR, 100_000, 3).generate_state(4)
    assert (here == turned.seed(FAR, 100_000, 3).generate_state(4)).all()
    states = {
        tuple(BOTH.seed(setting, n, replicate, purpose).generate_state(4))
        for setting in (FAR, NEAR, Setting("softmax_contaminated", "merging"))
        for n in (300, 1000)
        for replicate in (0, 1)
        for purpose in ("data", "starts", "sampler")
    }
    assert len(states) == 3 * 2 * 2 * 3


def test_the_hash_is_of_everything_but_the_name():
    assert Design("else", TINY.settings, TINY.map).hash == TINY.hash
    others = [
        Design("tiny", (NEAR,), TINY.map),
        Design("tiny", (FAR,), MapPlan((300, 100_000), 6)),
        Design("tiny", (FAR,), TINY.map, NutsPlan((300,), 1)),
        Design("tiny", (FAR,), TINY.map, NutsPlan((300,), 1, engine="nested")),
        Design("tiny", (FAR,), TINY.map, prior="weak"),
        Design("tiny", (FAR,), TINY.map, entropy=1),
    ]
    assert len({design.hash for design in (TINY, *others)}) == 7


def test_a_design_that_says_nothing_new_keeps_the_fingerprint_that_it_had():
    """Recorded before there were engines, margins and rounds."""
    setting = Setting.parse("constant_contaminated/merging[gamma=1/8]")
    own = Design("old", (setting,), MapPlan((300, 100_000), 5, starts=2), NutsPlan((300,), 1))
    assert own.hash == "1736d837b568f606"


def test_the_engine_of_posteriors_goes_through_a_file(tmp_path):
    design = Design("mine", (FAR,), nuts=NutsPlan((300,), 1, engine="nested"))
    file = tmp_path / "mine.toml"
    file.write_text(toml_of(design), encoding="utf-8")
    assert read_design(file) == design


GOOD = 'name = "d"\nregimes = ["constant_contaminated/merging"]\n'
PLAN = "[map]\nsizes = [1000]\nreplications = 2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not a TOML file"),
        (GOOD, "nothing to do"),
        (PLAN, "lacks 'name'"),
        (GOOD + "entropi = 3\n" + PLAN, "did you mean 'entropy'"),
        (GOOD + "entropy = -3\n" + PLAN, "entropy = -3"),
        (GOOD + 'prior = "flatt"\n' + PLAN, "did you mean 'flat'"),
        (GOOD + "map = 3\n", "write \\[map\\]"),
        (GOOD + "[map]\nsizes = [1000]\n", "lacks 'replications'"),
        (GOOD + "[map]\nsizes = 1000\nreplications = 2\n", "not a list"),
        (GOOD + "[map]\nsizes = [1000, 10]\nreplications = 2\n", "growing whole numbers"),
        (GOOD + "[map]\nsizes = [1000.5]\nreplications = 2\n", "growing whole numbers"),
        (GOOD + "[map]\nsizes = [1000]\nreplications = 0\n", "replications = 0"),
        (GOOD + "[nuts]\nsizes = [1000]\nreplications = 2\ndraw = 3\n", "did you mean 'draws'"),
        (GOOD + PLAN.replace("map", "nuts") + 'engine = "nest"\n', "did you mean 'nested'"),
        (GOOD.replace("merging", "merging[gamma=x]") + PLAN, "no exponent"),
        (GOOD.replace("/merging", "") + PLAN, "write variant/regime"),
        (GOOD.replace("/merging", "/mergin") + PLAN, "did you mean 'merging'"),
        (GOOD.replace('"]', '", "constant_contaminated/merging"]') + PLAN, "twice"),
        (GOOD.replace("merging", "merging[gamma=-1]") + PLAN, "outside the box"),
        (GOOD.replace("merging", "merging[gamma=-400]") + PLAN, "up to 10"),
        (GOOD.replace("merging", "merging[gamma=1e99999999]") + PLAN, "no exponent"),
        (GOOD.replace("merging", "merging[gamma=1/8,gamma=1/4]") + PLAN, "gamma twice"),
        (GOOD.replace('"d"', "2020-01-01") + PLAN, "not a line of 1 to 100 letters"),
        (GOOD.replace('"d"', '"a\\nb"') + PLAN, "not a line of 1 to 100 letters"),
        (GOOD.replace('"d"', '"a\\u007fb"') + PLAN, "not a line of 1 to 100 letters"),
        (GOOD.replace('"d"', '""') + PLAN, "not a line of 1 to 100 letters"),
        (GOOD + "entropy = " + "9" * 5000 + "\n" + PLAN, "not a TOML file"),
        (GOOD + "entropy = 0x" + "f" * 5000 + "\n" + PLAN, "entropy = a huge number"),
        (GOOD + "[map]\nsizes = [0x" + "f" * 5000 + "]\nreplications = 2\n", "a huge number"),
        (GOOD + PLAN.replace("= 2", "= 1_000_000_000_000"), "from 1 to 1000000"),
        (GOOD + "entropy = " + "[" * 20_000 + "]" * 20_000 + "\n" + PLAN, "not a TOML file"),
    ],
)
def test_bad_design_files_are_named_with_a_remedy(text, message, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_design(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_files_of_other_editors_are_read(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (GOOD + PLAN).replace("\n", "\r\n").encode())
    assert read_design(file).map == MapPlan((1000,), 2)


def test_unknown_preset_and_missing_file(tmp_path):
    with pytest.raises(InputError, match="did you mean 'quick'"):
        design_named("quik")
    with pytest.raises(InputError, match=r"gone\.toml: cannot be read"):
        design_named(tmp_path / "gone.toml")
