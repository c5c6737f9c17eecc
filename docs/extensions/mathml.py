"""Formulas as MathML, which browsers show by themselves: no script, no server, no network."""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

__all__ = ["setup"]

logger = logging.getLogger(__name__)


def _formula(node: nodes.Element, **how: bool) -> str:
    try:
        return str(tex2mathml(node.astext(), **how))
    except MathError as error:
        logger.warning("%s: %s", error, node.astext(), location=node)
        return ""


def _inline(translator: Any, node: nodes.Element) -> None:
    translator.body.append(_formula(node))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.Element) -> None:
    number = ""
    if node["number"]:
        number = f'<span class="eqno">({get_node_equation_number(translator, node)})</span>'
    formula = _formula(node, as_block=True)
    translator.body.append(
        f"{translator.starttag(node, 'div', CLASS='math')}{number}{formula}</div>"
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer as ``mathml``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
