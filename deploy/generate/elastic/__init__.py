"""What `deploy/elastic` and `deploy/opensearch` hold, from the event schema and the table of panels."""

import json
from typing import Any, get_args

from deploy.generate.elastic import kibana, opensearch, package
from deploy.generate.elastic.templates import Product, requests
from deploy.generate.places import DEPLOY


def files() -> dict[str, bytes]:
    """Path below `deploy/`, content."""
    made = {
        f"{product}/api/{path}.json": _as_json(body) for product in get_args(Product) for path, body in requests(product).items()
    }
    made["elastic/kibana.ndjson"] = kibana.saved_objects()
    made["opensearch/dashboards.ndjson"] = opensearch.saved_objects()
    made |= {f"elastic/package/{path}": content for path, content in package.files().items()}
    made["opensearch/install.sh"] = (DEPLOY / "elastic" / "install.sh").read_bytes()
    return made


def _as_json(content: Any) -> bytes:
    """Indented, as people read it."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
