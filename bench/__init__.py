"""Benches: what ranklog costs and how fast it is, beside rivals that are measured in the same run.

`python -m bench` lists them. Each prints one line of JSON on stdout; docs/reference/benchmarks.md explains the fields.
"""
