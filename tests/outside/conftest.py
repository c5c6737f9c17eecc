"""The plugins here are loaded as plugins, and only by tests that put the names back."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bayes_cmoe.parts import outside
from bayes_cmoe.study.variant import variants

HERE = Path(__file__).parent
PLUGINS = ("sigmoid_gate", "counts", "hidden_layer", "merging_slopes")
QUICK = ("counts", "merging_slopes")
COVERED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PLUGINS]
"""All of them among the slow tests, and among the quick ones those that differ most."""
collect_ignore = [f"{name}.py" for name in PLUGINS]


@contextmanager
def nothing_left() -> Iterator[None]:
    """What is loaded within is forgotten at the end."""
    variants()
    before = [dict(registry) for registry in outside.REGISTRIES]
    assert not outside.plugins()
    os.environ.pop(outside.ENVIRONMENT, None)
    try:
        yield
    finally:
        os.environ.pop(outside.ENVIRONMENT, None)
        for registry, names in zip(outside.REGISTRIES, before, strict=True):
            registry.clear()
            registry.update(names)
        for plugin in outside.plugins():
            del sys.modules[plugin.module]
        outside._FILES.clear()


@pytest.fixture
def unloaded():
    with nothing_left():
        yield HERE


@pytest.fixture(scope="module", params=PLUGINS)
def plugin(request):
    """The name of a plugin, which is loaded; and that of the variant in it."""
    with nothing_left():
        outside.load_plugin(HERE / f"{request.param}.py")
        yield request.param
