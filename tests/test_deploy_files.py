"""The generated files of `deploy/` and `schemas/` are those that `make deploy-files` makes; `deploy/README.md` names what is there.

The queries of the Sigma rules need pySigma: `make deploy-check` compares them.
"""

import re
import zlib
from pathlib import Path

import pytest

from deploy.generate.files import GENERATORS, stale, write
from deploy.generate.grafana import level, unaccounted
from deploy.generate.places import DEPLOY
from shipper.detect import DETECTORS
from tests.support.burst import BURST

HERE = {name: generator for name, generator in GENERATORS.items() if not generator.needs_pysigma}


@pytest.mark.parametrize("name", HERE)
def test_generated_files_are_fresh(name: str) -> None:
    assert stale(HERE[name]) == [], "run make deploy-files"


def test_what_is_stale_is_noticed_and_written_anew(tmp_path: Path) -> None:
    """A changed file, a missing one, and one that nothing makes any more."""
    elastic = GENERATORS["elastic"]
    assert write(elastic, tmp_path) == stale(elastic, tmp_path / "empty")
    assert stale(elastic, tmp_path) == []

    changed, missing = "deploy/elastic/api/_ilm/policy/azure_mfa.json", "deploy/opensearch/install.sh"
    old = "deploy/elastic/api/_index_template/old.json"
    (tmp_path / changed).write_bytes((tmp_path / changed).read_bytes().replace(b"400d", b"40d"))
    (tmp_path / missing).unlink()
    (tmp_path / old).write_text("{}", encoding="utf-8")

    assert stale(elastic, tmp_path) == sorted([changed, missing, old])
    assert write(elastic, tmp_path) == sorted([changed, missing, old])
    assert stale(elastic, tmp_path) == []
    assert (tmp_path / missing).stat().st_mode & 0o111


def test_an_icon_is_stale_by_its_pixels_only(tmp_path: Path) -> None:
    """Another version of zlib packs the same pixels differently."""
    write(GENERATORS["splunk"], tmp_path)
    name = "deploy/splunk/TA-mfa-shipper/static/appIcon.png"
    icon = (tmp_path / name).read_bytes()
    length = int.from_bytes(icon[33:37], "big")  # of the pixels, behind 8 bytes
    unpacked = zlib.compress(zlib.decompress(icon[41 : 41 + length]), 0)
    (tmp_path / name).write_bytes(icon[:33] + len(unpacked).to_bytes(4, "big") + icon[37:41] + unpacked + icon[41 + length :])
    assert stale(GENERATORS["splunk"], tmp_path) == []

    (tmp_path / name).write_bytes((tmp_path / name.replace(".png", "_2x.png")).read_bytes())
    assert stale(GENERATORS["splunk"], tmp_path) == [name]


def test_what_the_dashboard_cannot_account_for_knows_the_findings_of_every_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the panel goes below 0 with the first of them."""
    before = unaccounted()
    monkeypatch.setitem(DETECTORS, "burst", BURST)
    assert unaccounted() == before.replace(" - ", f" + {level('bursts_total')} - ", 1)


def test_every_file_of_the_table_is_there() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#]+)", text)

    assert len(named) >= 10
    assert [name for name in named if "://" not in name and not (DEPLOY / name).exists()] == []
