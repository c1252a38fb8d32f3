"""Parameters of the model from micro-measurements: what is measured (patterns), fitted (fit), and written (parameters)."""

from validate.calibrate.parameters import fitted_on

__all__ = ["fitted_on"]
