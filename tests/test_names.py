"""No code above the parts knows a parameter by name: declarations say what there is."""

import ast
from pathlib import Path

import pytest

from bayes_cmoe.parts.experts import EXPERTS
from bayes_cmoe.parts.families import FAMILIES
from bayes_cmoe.parts.gates import GATES

ROOT = Path(__file__).parents[1] / "bayes_cmoe"
FILES = sorted(
    file
    for file in ROOT.rglob("*.py")
    if file.relative_to(ROOT).parts[0] not in ("parts", "models")
)
NAMES = frozenset({"lam", "tau", "beta", "a", "b", "nu", "exp_tau"})
LOCAL = ("a", "b")
"""Names that any local variable may have."""
ALLOWED = {
    # SciPy's distribution of that name, and its use.
    ("report/posterior_tables.py", "beta"),
    # The weights of SciPy's logsumexp.
    ("theory/hellinger.py", "b"),
}


def _texts(tree: ast.AST) -> set[int]:
    """Docstrings: expressions that are a string alone."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def named(source: str) -> set[str]:
    """Names of parameters that occur in code as a string, an attribute, a keyword or a key."""
    tree = ast.parse(source)
    texts = _texts(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            found.add(node.value)
            # A string that quotes a name, as an example in JSON does.
            found |= {name for name in NAMES if f'"{name}"' in node.value}
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword):
            found.add(node.arg or "")
        elif isinstance(node, ast.arg) and node.arg not in LOCAL:
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found |= {node.name, node.asname or ""}
        elif isinstance(node, ast.Name) and node.id not in LOCAL:
            found.add(node.id)
    return found & NAMES


def test_the_names_are_those_of_the_shipped_parts():
    """A new part's parameters belong into the list, else nothing looks for them."""
    declared = {
        parameter.name
        for own in (
            *(gate.parameters for gate in GATES.values()),
            *(expert.declared for expert in EXPERTS.values()),
            *(family.own.values() for family in FAMILIES.values()),
        )
        for parameter in own
    }
    derived = {gate.share.name for gate in GATES.values()}
    assert declared | derived == NAMES


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_parameter_is_named(file):
    place = file.relative_to(ROOT).as_posix()
    allowed = {name for where, name in ALLOWED if where == place}
    assert named(file.read_text(encoding="utf-8")) <= allowed


@pytest.mark.parametrize(
    "code",
    [
        'theta["lam"]',
        "truth.nu",
        "f(beta=1.0)",
        "def f(tau): pass",
        "names = {'a': 1}",
        "exp_tau = 2.0",
        "EXAMPLE = '{\"lam\": 0.2}'",
        "from x import beta",
        "x == 'b'",
    ],
)
def test_a_name_in_code_is_found(code):
    assert named(code)


@pytest.mark.parametrize(
    "code",
    ['"""Of lam and tau."""', "x = 1  # lam", "def f():\n    '''lam'''\n", "a = b", "f'{x}'"],
)
def test_words_about_parameters_are_not(code):
    assert not named(code)
