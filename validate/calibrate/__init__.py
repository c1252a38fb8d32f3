"""Parameters of the model from micro-measurements: what is measured (patterns), fitted (fit), and written (parameters)."""
