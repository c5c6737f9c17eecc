"""What rate to expect: published exponents and calculated bounds."""
