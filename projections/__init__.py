"""Views that people read. Takes in the events of definitions, admissions and executions; gives out
tables, queries over them and the `/api/v1` routes. Never appends: dropping and rebuilding is safe.
"""
