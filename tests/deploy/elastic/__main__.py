"""Write all generated files of `deploy/elastic` and `deploy/opensearch`: `python -m tests.deploy.elastic`."""

import json
from pathlib import Path
from typing import Any, get_args

from tests.deploy.elastic import legacy, lens, package
from tests.deploy.elastic.templates import Product, requests
from tests.deploy.tools import DEPLOY, ROOT


def as_json(content: Any) -> bytes:
    """Indented, as people read it."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def files() -> dict[Path, bytes]:
    """Every generated file, and what must stand in it."""
    found: dict[Path, bytes] = {}
    for product in get_args(Product):
        for path, content in requests(product).items():
            found[DEPLOY / product / "api" / f"{path}.json"] = as_json(content)
    found[DEPLOY / "elastic" / "kibana.ndjson"] = lens.saved_objects()
    found[DEPLOY / "opensearch" / "dashboards.ndjson"] = legacy.saved_objects()
    found |= {DEPLOY / "elastic" / "package" / path: content for path, content in package.files().items()}
    found[DEPLOY / "opensearch" / "install.sh"] = (DEPLOY / "elastic" / "install.sh").read_bytes()
    return found


def main() -> None:
    """Write what differs."""
    for path, content in files().items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if path.suffix == ".sh":
                path.chmod(0o755)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
