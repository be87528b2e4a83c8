"""The READMEs: their commands run as they stand, their numbers are today's, their links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.generate.elastic.package import STREAMS
from deploy.generate.elastic.panels import panels
from deploy.generate.elastic.templates import NAME
from deploy.generate.schema import fields
from tests.support.deploy.loaded import week
from tests.support.http_server import HttpServer, Reply, Request
from tests.support.opensearch import OpenSearch
from tests.support.tools import DEPLOY, ROOT

PRODUCTS = {"elastic": "ELASTICSEARCH", "opensearch": "OPENSEARCH"}
every_product = pytest.mark.parametrize("product", PRODUCTS)


def readme(product: str) -> str:
    return (DEPLOY / product / "README.md").read_text(encoding="utf-8")


def command(product: str, word: str) -> str:
    """The one command with that word in it."""
    (found,) = [line.removeprefix("$ ") for line in readme(product).splitlines() if line.startswith("$ ") and word in line]
    return found


def run(line: str, folder: Path, product: str, node: OpenSearch) -> str:
    """What a command of a README says, run in a folder against the node."""
    own = folder / "bin"
    own.mkdir(exist_ok=True)
    program = own / "mfa-shipper"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m shipper "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    world = {"PATH": f"{own}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), PRODUCTS[product]: node.url, "PASSWORD": "secret"}
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", line], cwd=folder, env=world, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout or done.stderr


@every_product
def test_events_go_in_as_the_readme_says(product: str, node: OpenSearch, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    week(tmp_path / "logs")
    (tmp_path / "logs" / "NpsExtension.log").unlink()  # the command names the logs of MFA Server
    (tmp_path / "key.txt").write_text("elastic:secret\n", encoding="utf-8")
    line = command(product, "--to").replace("--to ", "--namespace readme --to ")
    said = run(line, tmp_path, product, node)
    node.ask("POST", "/_refresh")
    streams = f"/logs-{NAME}.*-readme"
    number = node.ask("GET", f"{streams}/_count")["count"]
    assert number > 1000
    assert f"sent: {number:,} created\n" in said
    assert f"{number:,} events out" in said
    assert f"sent: {number:,} there already\n" in run(line, tmp_path, product, node)
    node.ask("DELETE", f"/_data_stream{streams}")


@pytest.mark.parametrize("page", ["outputs", "imports"])
def test_events_go_in_as_the_pages_say(page: str, node: OpenSearch, tmp_path: Path) -> None:
    text = (DEPLOY / "docs" / f"{page}.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^\$ (mfa-shipper parse .* --to https://es1:9200 .*)$", text, re.M)
    (tmp_path / "logs").mkdir()
    shutil.copy(DEPLOY / "examples" / "MultiFactorAuthRadiusSvc.log", tmp_path / "logs")
    (tmp_path / "key.txt").write_text("elastic:secret\n", encoding="utf-8")
    line = line.replace("--to https://es1:9200", f'--namespace {page} --to "$ELASTICSEARCH"')
    assert "sent: 10 created\n" in run(line, tmp_path, "elastic", node)
    node.ask("DELETE", f"/_data_stream/logs-{NAME}.*-{page}")


def test_the_script_puts_files_where_it_is_told(opensearch: OpenSearch, tmp_path: Path) -> None:
    line = command("opensearch", "install.sh").replace("deploy/", f"{DEPLOY}/").replace(" -u", " --without-policy -u")
    said = run(line, tmp_path, "opensearch", opensearch).splitlines()
    assert said
    assert all(line.endswith('{"acknowledged":true}') for line in said)


@every_product
def test_the_script_puts_every_file_and_needs_little(product: str, tmp_path: Path) -> None:
    """In the compose file it runs in OpenSearch's image, which is Amazon Linux 2023 with no more than it needs itself."""
    for name in ("sh", "dirname", "curl", "sed"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    script, made = DEPLOY / product / "install.sh", DEPLOY / product / "api"
    files = {f"/{path.relative_to(made).with_suffix('')}" for path in made.rglob("*.json")}
    policy = {name for name in files if name.startswith(("/_ilm/", "/_plugins/"))}
    assert len(policy) == 1
    for options, wanted in (([], files), (["--without-policy"], files - policy)):
        with HttpServer(lambda request: Reply(200, {})) as server:
            done = subprocess.run(
                ["sh", script, server.url, *options], env={"PATH": str(tmp_path)}, capture_output=True, text=True
            )
            put = [request.path for request in server.requests if request.method == "PUT"]
        assert (done.returncode, done.stderr) == (0, "")
        assert (sorted(put), put[0].split("/")[1]) == (sorted(wanted), "_component_template")


def test_the_script_fails_where_a_request_fails(opensearch: OpenSearch) -> None:
    """The policy is refused by a node without the plug-in: the script must not go on as if nothing had happened."""
    done = subprocess.run([str(DEPLOY / "opensearch" / "install.sh"), opensearch.url], capture_output=True, text=True)
    assert done.returncode != 0
    assert "_plugins" in done.stdout
    assert "--without-policy" in done.stderr


def test_the_script_replaces_a_policy_that_is_there() -> None:
    """Index State Management takes an update only with the version of the policy that it replaces, by its documentation; the node here lacks it."""
    policy = f"/_plugins/_ism/policies/{NAME}"
    versions: list[int] = []

    def answer(request: Request) -> Reply:
        if request.path != policy:
            return Reply(200, {"acknowledged": True})
        version = {"_id": NAME, "_version": len(versions), "_seq_no": len(versions) + 6, "_primary_term": 3}
        if request.method == "GET":
            return Reply(200, {**version, "policy": {"last_updated_time": 1}}) if versions else Reply(404, {"error": "not found"})
        replaced = {"if_seq_no": [str(version["_seq_no"])], "if_primary_term": ["3"]} if versions else {}
        if request.query != replaced:
            return Reply(409, {"error": "version conflict, document already exists"})
        versions.append(len(request.body))
        return Reply(201, {"_id": NAME})

    with HttpServer(answer) as server:
        for _ in range(3):
            done = subprocess.run([str(DEPLOY / "opensearch" / "install.sh"), server.url], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    assert len(versions) == 3
    assert len(set(versions)) == 1


def test_numbers_are_todays(tmp_path: Path) -> None:
    text = readme("elastic")
    assert f"{len(week(tmp_path)):,} events of a made-up week" in text
    assert f"each of the {len(panels())} panels" in text


@every_product
def test_files_and_fields_that_are_named_exist(product: str) -> None:
    text = readme(product)
    for place in re.findall(r"\]\(([^)#]+)", text):
        assert (DEPLOY / product / place).exists(), place
    for name in re.findall(r"(?<![\w/])(?:tests/)?deploy/\w+/[\w./-]*\w", text):
        assert (ROOT / name).exists(), name
    known = {field.name for field in fields()} | {f"{NAME}.{name}" for name in (*STREAMS, "radius", "server", "nps")}  # data sets
    named = set(re.findall(r"`((?:event|azure_mfa|log|user)\.[a-z_.]+)`", text))
    assert named <= known
