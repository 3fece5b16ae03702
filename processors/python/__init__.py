"""Flows and components in Python, as the worker sees them: takes in what a flow's process says and
what is recorded of it; gives out events, like the engine of YAML flows. No author's code runs here:
that is in processes of its own (penstock.python_child)."""
