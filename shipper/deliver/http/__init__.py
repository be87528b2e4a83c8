"""HTTP servers as the other side: Elasticsearch and OpenSearch, and Splunk's HTTP Event Collector."""
