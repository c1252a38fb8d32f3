"""The verbs of the command line, one file each. Light to import: what is heavy is imported inside the functions."""
