"""Rates, figures and the report page."""
