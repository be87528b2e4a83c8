"""What the checks of deploy/elastic and deploy/opensearch share: a week in a real OpenSearch, and its numbers counted by hand."""
