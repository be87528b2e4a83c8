"""The report: completed sign-ins and findings folded into one summary. Pure.

`fold.py` takes what a pipeline hands on and keeps tables of a bounded size; `summary.py` turns them into the plain data
that `schemas/report.schema.json` describes. `cache.py` says what a cache of N seconds would have spared.
"""
