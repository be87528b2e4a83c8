"""A page taken apart: its elements, its words, its tables; and whether it is shut off from everything else."""

import base64
import hashlib
from html.parser import HTMLParser


class Parsed(HTMLParser):
    """The elements of a page, their attributes, the text outside of style and script, and the cells of each row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inlined: dict[str, list[str]] = {"style": [], "script": []}
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self._inside = ""
        self._in_cell = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
            self._in_cell = True
        elif tag == "br" and self._in_cell:
            self.rows[-1][-1] += " "

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        if tag in ("th", "td"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.inlined.get(self._inside, self.words).append(data)
        if self._in_cell:
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def assert_shut_off(parsed: Parsed) -> None:
    """The policy allows the style and the script of the page by their hashes, and nothing on the page leads out of it."""
    [policy] = [found["content"] for _, found in parsed.elements if found.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashes = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(parsed.inlined[name][0].encode()).digest()).decode()}'"
        for name in ("style", "script")
    }
    assert rules == {
        "default-src": "'none'", "style-src": hashes["style"], "script-src": hashes["script"],
        "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    tags = {tag for tag, _ in parsed.elements}
    assert tags & {"img", "iframe", "object", "embed", "form", "base", "image", "use", "audio", "video"} == set()
    attributes = [(name, value) for _, found in parsed.elements for name, value in found.items()]
    links = {str(value) for name, value in attributes if name in {"href", "src", "xlink:href", "srcset", "action"}}
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert [name for name, _ in attributes if name.startswith("on") or name == "style"] == []
    ids = [found["id"] for _, found in parsed.elements if found.get("id")]
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= set(ids)
