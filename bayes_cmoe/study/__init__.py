"""What is studied: variants, regimes, rates, targets and losses."""
