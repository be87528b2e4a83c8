"""Sinks over HTTP: Elasticsearch and OpenSearch, and Splunk's HTTP Event Collector."""
