"""`bayes-cmoe variants`: what there is to choose from."""

import json as json_format
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from bayes_cmoe.parts.experts import EXPERTS
from bayes_cmoe.study.variant import variants as known_variants

__all__ = ["variants"]


def variants(*, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """List the variants with their gates, experts and regimes.

    Parameters
    ----------
    json
        Print one JSON object instead of a table.
    """
    known = known_variants().values()
    experts = [name for name in EXPERTS if f"{name}-nobias" in EXPERTS]
    others = [name for name in EXPERTS if f"{name.removesuffix('-nobias')}-nobias" not in EXPERTS]
    if json:
        print(
            json_format.dumps(
                {
                    variant.name: {
                        "title": variant.title,
                        "source": variant.source,
                        "response": variant.response,
                        "gates": [gate.name for gate in variant.gates],
                        "experts": list(EXPERTS),
                        "regimes": {r.name: r.summary for r in variant.regimes.values()},
                    }
                    for variant in known
                }
            )
        )
        return 0
    console = Console(markup=False, highlight=False, emoji=False)
    table = Table(
        "variant",
        "response",
        "gates",
        "regimes",
        show_lines=True,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for variant in known:
        table.add_row(
            f"{variant.name}\n{variant.source}",
            variant.response,
            "\n".join(gate.name for gate in variant.gates),
            "\n".join(variant.regimes),
        )
    console.print(table)
    more = f", {', '.join(others)}" if others else ""
    console.print(
        f"experts of every variant: {', '.join(experts)} (each also with --no-bias){more}"
    )
    return 0
