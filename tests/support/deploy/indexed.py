"""Documents in an index of their own on a real OpenSearch, and what the queries of the Sigma rules find of them."""

import json
from datetime import datetime
from typing import Any

from tests.support.opensearch import OpenSearch

Document = dict[str, Any]
FIELDS = ("user.name", "user.domain", "user.target.name", "user.target.domain", "source.ip", "host.name", "azure_mfa.exchange.id")
KEYWORD = {"type": "keyword"}
MAPPINGS = {  # keywords for texts as in the shipper's templates, and there also where no event has them: scripts ask for them
    "dynamic_templates": [{"strings": {"match_mapping_type": "string", "mapping": KEYWORD}}],
    "properties": {"@timestamp": {"type": "date"}, "message": {"type": "text"}} | dict.fromkeys(FIELDS, KEYWORD),
}
CHUNK = 5000  # documents of one request


class Index:
    """An index with these documents and no others."""

    def __init__(self, node: OpenSearch, name: str, documents: list[Document]) -> None:
        self.node, self.name, self.documents = node, name, documents
        self.remove()
        self.ask("PUT", "", {"mappings": MAPPINGS})
        for start in range(0, len(documents), CHUNK):
            lines = (f'{{"index": {{}}}}\n{json.dumps(document)}\n' for document in documents[start : start + CHUNK])
            assert not self.ask("POST", "/_bulk", "".join(lines))["errors"]
        self.ask("POST", "/_refresh")

    def remove(self) -> None:
        """Remove it, if it is there."""
        self.ask("DELETE", "?ignore_unavailable=true")

    def ask(self, method: str, path: str, body: object = None) -> Document:
        """One request about the index."""
        return self.node.ask(method, f"/{self.name}{path}", body)

    def matching(self, query: str) -> list[Document]:
        """The documents that a query string finds."""
        found = self.ask("POST", "/_search", {"size": 10_000, "query": {"query_string": {"query": query}}})["hits"]["hits"]
        assert len(found) < 10_000
        return [hit["_source"] for hit in found]

    def buckets(self, body: str, clock: datetime) -> list[Document]:
        """The buckets of a search of a correlation, as if it ran at that time."""
        text = clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")[:-4] + "Z"  # whole milliseconds, as the field keeps them
        return list(self.ask("POST", "/_search", at(body, text))["aggregations"]["hits"]["buckets"])


def at(body: str, clock: str) -> str:
    """The search with another clock than the server's."""
    return body.replace('"now-', f'"{clock}||-').replace('"now"', f'"{clock}"')


def cases(documents: list[Document]) -> dict[str, list[Document]]:
    """The events of each case of a rule's test events, in their order."""
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document["labels"]["case"], []).append(document)
    return found


def moment(document: Document) -> datetime:
    """When it happened."""
    return datetime.fromisoformat(document["@timestamp"])
