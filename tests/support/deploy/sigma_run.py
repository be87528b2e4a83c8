"""Runs EQL with the engine `eql`, and parses ES|QL."""

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from deploy.generate.sigma.rules import library

Document = dict[str, Any]
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)  # of the time stamps that the engine wants, in 100 ns


def parse_eql(query: str) -> Any:
    """The syntax tree; raises EqlSyntaxError and its like."""
    eql, parser = library("eql"), library("eql.parser")
    with ExitStack() as stack:
        for setting in (parser.elasticsearch_syntax, parser.allow_runs):
            stack.enter_context(setting)
        return eql.parse_query(query)


def stream(documents: list[Document]) -> list[Any]:
    """The documents as the engine's events, in the order of time."""
    event = library("eql.events").Event
    ordered = sorted(documents, key=lambda document: document["@timestamp"])
    return [event(_kind(document), _ticks(document), _scalars(document) | {"_document": document}) for document in ordered]


def run_eql(query: str, documents: list[Document]) -> list[list[Document]]:
    """What the query finds in the documents: each hit is the events that make it up."""
    return run_on_stream(query, stream(documents))


def run_on_stream(query: str, events: list[Any]) -> list[list[Document]]:
    """The same, of events that several queries are run on."""
    engine, hits = library("eql").PythonEngine({"flatten": False}), []
    engine.add_query(parse_eql(query))
    engine.add_output_hook(lambda result: hits.append([event.data["_document"] for event in result.events]))
    engine.stream_events(events)
    engine.finalize()
    return hits


def parse_esql(query: str) -> None:
    """Raises ValueError where the query is no ES|QL, with the place and the parser's words."""
    antlr, lexer = library("antlr4"), library("esql_parser.EsqlBaseLexer").EsqlBaseLexer
    parser = library("esql_parser.EsqlBaseParser").EsqlBaseParser
    wrong: list[str] = []

    class Listener(library("antlr4.error.ErrorListener").ErrorListener):  # type: ignore[misc]
        def syntaxError(self, recognizer: Any, symbol: Any, line: int, column: int, message: str, e: Any) -> None:  # noqa: N802
            wrong.append(f"{line}:{column}: {message}")

    reading = lexer(antlr.InputStream(query))
    parsing = parser(antlr.CommonTokenStream(reading))
    for part in (reading, parsing):
        part.removeErrorListeners()
        part.addErrorListener(Listener())
    parsing.singleStatement()
    if wrong:
        raise ValueError("; ".join(wrong))


def _kind(document: Document) -> str:
    return str(document["event"].get("category", ["any"])[0])


def _ticks(document: Document) -> int:
    moment = datetime.fromisoformat(document["@timestamp"]) - EPOCH
    return (moment.days * 86400 + moment.seconds) * 10_000_000 + moment.microseconds * 10


def _scalars(value: Any) -> Any:
    """Lists of one as Elasticsearch sees them, which knows no difference between a value and a list of it."""
    if isinstance(value, dict):
        return {name: _scalars(inner) for name, inner in value.items()}
    return _scalars(value[0]) if isinstance(value, list) and len(value) == 1 else value
