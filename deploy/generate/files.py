"""The generators, and which of their files on the disk are stale."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.generate import elastic, field_reference, grafana, sigma, splunk
from deploy.generate.places import DEPLOY
from deploy.generate.sigma import events

Files = dict[str, bytes]  # path below deploy/, content


@dataclass(frozen=True, slots=True)
class Generator:
    """What makes a part of `deploy/`.

    Attributes:
        files: makes them all.
        owned: globs below `deploy/`; a file there that the generator does not make is left over from an earlier one.
        needs_pysigma: its backends must be installed (the extra `deploy`).
    """

    files: Callable[[], Files]
    owned: tuple[str, ...] = ()
    needs_pysigma: bool = False


GENERATORS = {
    "elastic": Generator(elastic.files, ("elastic/api/**/*", "elastic/package/**/*", "opensearch/api/**/*")),
    "field reference": Generator(field_reference.files),
    "grafana": Generator(grafana.files),
    "splunk": Generator(splunk.files, ("splunk/TA-mfa-shipper/static/*",)),
    "sigma events": Generator(events.files, ("sigma/tests/*.ndjson",)),
    "sigma rules": Generator(
        sigma.files, ("sigma/eql/*", "sigma/esql/*", "sigma/splunk/*", "sigma/lucene/*"), needs_pysigma=True
    ),
}


def stale(generator: Generator, root: Path = DEPLOY) -> list[str]:
    """The files that are missing, differ, or should not be there any more."""
    files = generator.files()
    return sorted(_different(files, root) + _left_over(generator, files, root))


def write(generator: Generator, root: Path = DEPLOY) -> list[str]:
    """Bring the files on the disk up to date; returns the paths of those that were stale."""
    files = generator.files()
    different, left_over = _different(files, root), _left_over(generator, files, root)
    for name in different:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
        if path.suffix == ".sh":
            path.chmod(0o755)
    for name in left_over:
        (root / name).unlink()
    return sorted(different + left_over)


def _different(files: Files, root: Path) -> list[str]:
    return [name for name, content in files.items() if not _holds(root / name, content)]


def _left_over(generator: Generator, files: Files, root: Path) -> list[str]:
    there = {path for pattern in generator.owned for path in root.glob(pattern) if path.is_file()}
    return [name for path in there if (name := path.relative_to(root).as_posix()) not in files]


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and _unpacked(path.read_bytes()) == _unpacked(content)


def _unpacked(content: bytes) -> bytes:
    """The pixels of a PNG of ours, which another version of zlib packs differently; anything else as it is."""
    if not content.startswith(splunk.PNG_SIGNATURE):
        return content
    length = int.from_bytes(content[33:37], "big")  # of IDAT, behind the signature and IHDR
    return content[:33] + zlib.decompress(content[41 : 41 + length])
