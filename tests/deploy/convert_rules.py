"""Makes everything that follows from the Sigma rules: queries in four languages, Kibana rules, Splunk saved searches.

python -m tests.deploy.convert_rules
"""

from pathlib import Path

from tests.deploy import sigma_convert, sigma_kibana, sigma_splunk
from tests.deploy.sigma_rules import SIGMA, rules
from tests.deploy.tools import DEPLOY

KIBANA = DEPLOY / "elastic" / "rules" / "mfa-shipper-rules.ndjson"
SPLUNK = DEPLOY / "splunk" / "TA-mfa-shipper" / "default" / "savedsearches.conf"
FOLDERS = {"eql": "*.eql", "esql": "*.esql", "splunk": "*.spl", "lucene": "*.*"}


def outputs() -> dict[Path, str]:
    """The text of every file."""
    every = rules()
    files: dict[Path, str] = {}
    for rule in every:
        found = {
            SIGMA / "eql" / f"{rule.stem}.eql": sigma_convert.eql(rule),
            SIGMA / "esql" / f"{rule.stem}.esql": sigma_convert.esql(rule),
            SIGMA / "splunk" / f"{rule.stem}.spl": sigma_convert.splunk(rule),
            SIGMA / "lucene" / f"{rule.stem}.txt": sigma_convert.lucene(rule),
            SIGMA / "lucene" / f"{rule.stem}.json": sigma_convert.search(rule),
        }
        files |= {path: text for path, text in found.items() if text is not None}
    return files | {KIBANA: sigma_kibana.ndjson(every), SPLUNK: sigma_splunk.savedsearches(every)}


def present() -> set[Path]:
    """The files that are there and should all come from here."""
    there = {path for folder, pattern in FOLDERS.items() for path in (SIGMA / folder).glob(pattern)}
    return there | {path for path in (KIBANA, SPLUNK) if path.exists()}


def main() -> None:
    """Write them, and remove those of rules that are gone."""
    wanted = outputs()
    for path in present() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
