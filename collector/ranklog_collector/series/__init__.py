"""Metric series, derived from mirrored points: columnar segments and the tail that is still hot, read as one.

`read` has what readers call, `shapes` what they get:

    catalog(folder, run=None, resources=False) -> list[Metric]
    records(folder, key=None, rank=None, run=None, after=None, limit=None, resources=False) -> Records
    series(folder, key, rank=None, run=None, points=1000, x="step", resources=False) -> list[Series]
    aggregate(folder, key, by="step", points=1000, run=None, resources=False) -> Aggregate
    facts(folder, run=None) -> Facts

`run` is a child run's id; None and the run's own id are the run itself. `resources` asks for what agents observed
instead of what the job logged (of `catalog`: besides). An unknown key raises UnknownMetricError, a ReadingError.
"""
