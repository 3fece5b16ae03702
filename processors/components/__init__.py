"""The built-in components: what their actions take in, do and give out; some in several files."""
