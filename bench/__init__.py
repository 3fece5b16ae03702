"""Benchmarks: takes in a machine, gives out the table of numbers to reach as ratios to bare loops
measured in the same run, on the terminal and under `results/`.
"""
