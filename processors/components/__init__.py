"""The built-in components, one file each: what their actions take in, do and give out."""
