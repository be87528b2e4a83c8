"""Brings events into a real OpenSearch, the way the READMEs of `deploy/` say."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support import corpus
from tests.support.opensearch import OpenSearch
from tests.support.tools import DEPLOY, run

Event = dict[str, Any]
CHUNK = 4_000_000  # bytes of one request


def install(node: OpenSearch) -> str:
    """Run install.sh; the node has no policy plug-in."""
    done = run(DEPLOY / "opensearch" / "install.sh", node.url, "--without-policy")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bulk(node: OpenSearch, body: bytes) -> Counter[int]:
    """Send a body for `_bulk` in pieces of whole documents; returns how often each status came. Errors other than 409 raise."""
    found: Counter[int] = Counter()
    for piece in _pieces(body.splitlines(keepends=True)):
        for item in node.ask("POST", "/_bulk", piece)["items"]:
            answer = item["create"]
            assert answer["status"] in (201, 409), answer
            found[answer["status"]] += 1
    node.ask("POST", "/_refresh")
    return found


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    piece: list[bytes] = []
    for action, document in zip(lines[::2], lines[1::2], strict=True):
        piece += (action, document)
        if sum(map(len, piece[-200:])) * len(piece) / len(piece[-200:]) > CHUNK:
            yield b"".join(piece)
            piece = []
    if piece:
        yield b"".join(piece)


def body(documents: Iterable[tuple[str, Event]], namespace: str) -> bytes:
    """A body for `_bulk` out of (id, document) pairs."""
    lines = []
    for name, event in documents:
        index = f"logs-{event['event']['dataset']}-{namespace}"
        lines += [json.dumps({"create": {"_index": index, "_id": name}}), json.dumps(event, ensure_ascii=False)]
    return "".join(f"{line}\n" for line in lines).encode()


def week(folder: Path) -> list[Event]:
    """Write the logs of the week; returns all events."""
    corpus.write(folder)
    return [json.loads(line) for line in corpus.parse(folder).splitlines()]


def load(node: OpenSearch, folder: Path, namespace: str = "week", *options: str) -> Counter[int]:
    """Send the logs of a folder through `--format elastic-bulk`."""
    return bulk(node, corpus.parse(folder, "--format", "elastic-bulk", "--namespace", namespace, *options))


def leaves(value: Event, path: str = "") -> Event:
    """The values of an event by their dotted names."""
    found: Event = {}
    for name, below in value.items():
        found |= leaves(below, f"{path}{name}.") if isinstance(below, dict) else {path + name: below}
    return found


class Week:
    """The made-up week: its logs in a folder, its events, and both kinds of them in an index.

    The namespace `week` has the events of lines, `merged` one event an authentication.
    """

    def __init__(self, node: OpenSearch, folder: Path) -> None:
        self.node, self.folder = node, folder
        self.events = week(folder)
        self.answers = load(node, folder)
        self.merged = load(node, folder, "merged", "--events", "exchange")

    def count(self, query: Event, namespace: str = "week") -> int:
        """How many documents a query finds."""
        return int(self.node.ask("POST", f"/logs-azure_mfa.*-{namespace}/_count", {"query": query})["count"])
