"""Makes what `deploy/elastic` and `deploy/opensearch` hold, from the event schema and the table of panels.

    python -m tests.deploy.elastic

writes all generated files anew.
"""
