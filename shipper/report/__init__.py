"""The report: folds completed sign-ins and findings into one summary. Pure.

`fold.py` counts the output of a pipeline in tables of bounded size; `summarize.py` turns them into the plain data of
`summary.py`, which `schemas/report.schema.json` describes. `cache.py` simulates caches of N seconds.
"""
