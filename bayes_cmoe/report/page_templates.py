"""Templates of the report's pages, with the filters that all of them use."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from bayes_cmoe.report import numbers

__all__ = ["page_templates"]


def page_templates() -> Environment:
    """The templates beside this file; a name that is not defined is an error."""
    templates = Environment(
        loader=PackageLoader("bayes_cmoe.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {name: getattr(numbers, name) for name in numbers.__all__}
    templates.filters["anchor"] = lambda label: "".join(
        letter if letter.isalnum() else "-" for letter in label
    ).strip("-")
    return templates
