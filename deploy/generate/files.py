"""The generators, and which of their files on the disk are stale."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from deploy.generate import chart, elastic, field_reference, grafana, sigma, splunk
from deploy.generate.places import ROOT
from deploy.generate.sigma import events
from shipper.config.schema import schema
from shipper.report.summary import schema as report_schema

Files = dict[str, bytes]  # path below the folder of its generator, content


@dataclass(frozen=True, slots=True)
class Generator:
    """What makes some of the files of a folder.

    Attributes:
        files: makes them all.
        owned: globs below the folder; a file there that the generator does not make is left over from an earlier one.
        needs_pysigma: its backends must be installed (the extra `deploy`).
    """

    files: Callable[[], Files]
    owned: tuple[str, ...] = ()
    needs_pysigma: bool = False
    folder: str = "deploy"


def _configuration_schema() -> Files:
    text = msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"
    return {"config.schema.json": text}


def _report_schema() -> Files:
    return {"report.schema.json": msgspec.json.format(msgspec.json.encode(report_schema()), indent=1) + b"\n"}


PACKAGE = (  # but for its tests and sample events, whose expectations a real engine writes
    "elastic/package/*", "elastic/package/docs/*", "elastic/package/img/*", "elastic/package/kibana/**/*",
    "elastic/package/data_stream/*/*.yml", "elastic/package/data_stream/*/fields/*",
    "elastic/package/data_stream/*/agent/**/*", "elastic/package/data_stream/*/elasticsearch/**/*",
)  # fmt: skip
GENERATORS = {
    "configuration schema": Generator(_configuration_schema, folder="schemas"),
    "report schema": Generator(_report_schema, folder="schemas"),
    "chart": Generator(chart.files),
    "field reference": Generator(field_reference.files),
    "grafana": Generator(grafana.files),
    "splunk": Generator(splunk.files, ("splunk/*/static/*",)),
    "sigma events": Generator(events.files, ("sigma/tests/*.ndjson",)),
    "sigma rules": Generator(
        sigma.files, ("sigma/eql/*", "sigma/esql/*", "sigma/splunk/*", "sigma/lucene/*"), needs_pysigma=True
    ),
    # behind the rules, which its package brings
    "elastic": Generator(elastic.files, ("elastic/api/**/*", *PACKAGE, "opensearch/api/**/*")),
}


def stale(generator: Generator, root: Path = ROOT) -> list[str]:
    """The paths below `root` of files that are missing, differ, or should not be there any more."""
    different, left_over = _compared(generator, root)
    return _names([*different, *left_over], root)


def write(generator: Generator, root: Path = ROOT) -> list[str]:
    """Bring the files on the disk up to date; returns the paths of those that were stale."""
    different, left_over = _compared(generator, root)
    for path, content in different.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.suffix == ".sh":
            path.chmod(0o755)
    for path in left_over:
        path.unlink()
    return _names([*different, *left_over], root)


def _compared(generator: Generator, root: Path) -> tuple[dict[Path, bytes], set[Path]]:
    """The files to write with their content, and those to remove."""
    folder = root / generator.folder
    files = {folder / name: content for name, content in generator.files().items()}
    there = {path for pattern in generator.owned for path in folder.glob(pattern) if path.is_file()}
    return {path: content for path, content in files.items() if not _holds(path, content)}, there - files.keys()


def _names(paths: list[Path], root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in paths)


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and _unpacked(path.read_bytes()) == _unpacked(content)


def _unpacked(content: bytes) -> bytes:
    """The pixels of a PNG of ours, which another version of zlib packs differently; anything else as it is."""
    if not content.startswith(splunk.PNG_SIGNATURE):
        return content
    length = int.from_bytes(content[33:37], "big")  # of IDAT, behind the signature and IHDR
    return content[:33] + zlib.decompress(content[41 : 41 + length])
