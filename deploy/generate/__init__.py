"""Makes the generated files of `deploy/` and `schemas/`: `make deploy-files`.

`files.py` lists the generators. They read `schemas/`, `patterns/` and what people wrote in `deploy/` (the panels, the
Sigma rules and their test cases); what they write is committed, and a test fails when it is stale.
"""
