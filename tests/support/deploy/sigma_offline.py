"""The command `sigma` with the names that its checks would fetch: of ATT&CK, and of SigmaHQ's log sources.

    python -m tests.support.deploy.sigma_offline check --fail-on-issues deploy/sigma/rules

sigma-cli fetches the whole ATT&CK collection as soon as a rule has an attack tag, and ends with a traceback where
it cannot. deploy/sigma/attack-min.json holds the names in our rules and no others: a tag that it lacks is an issue. Likewise
SigmaHQ's validators, where they are installed, get our log source with the fields of our schema.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

from deploy.generate.schema import known_names
from deploy.generate.sigma.kibana import ATTACK
from deploy.generate.sigma.rules import FOLDERS, SIGMA, library
from tests.support.tools import ROOT, run

SIGMAHQ = "sigma.validators.sigmahq"
LOGSOURCE = {"category": "application", "product": "azure_mfa"}
NO_D3FEND = "d3_fendtag"  # fetches D3FEND, of which no rule here has a tag
FILE_NAMES = "sigmahq_correlation_filename_prefix"  # wants correlation_*.yml; here the folder says so


def has_sigmahq() -> bool:
    """Whether SigmaHQ's own validators are installed."""
    return importlib.util.find_spec(SIGMAHQ) is not None


def sigma_check(*folders: Path) -> tuple[int, str]:
    """Exit status of `sigma check` on folders of rules, and what it says."""
    command = (sys.executable, "-m", "tests.support.deploy.sigma_offline", "check", "--fail-on-issues", "-x", NO_D3FEND)
    left_out = ("-x", FILE_NAMES) if has_sigmahq() else ()
    done = run(*command, *left_out, *(folders or (SIGMA / folder for folder in FOLDERS)), cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def use_own_data(cache: Path) -> None:
    """Point pySigma to our files; the cache must not be the user's own, which it would spoil."""
    mitre_attack = library("sigma.data.mitre_attack")
    mitre_attack.set_cache_dir(str(cache))
    mitre_attack.set_url(str(ATTACK))
    if has_sigmahq():
        ours = {"logsource": LOGSOURCE, "field": {"custom": sorted(known_names())}}
        for name, content in (("taxonomy", {"taxonomy": {"mfa": ours}}), ("filename", {}), ("windows_eventid", {})):
            path = cache / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            library(f"{SIGMAHQ}.data.data_{name}").set_url(str(path))


def main() -> None:
    """Run the command."""
    sigma = library("sigma.cli.main").main

    with tempfile.TemporaryDirectory() as cache:
        use_own_data(Path(cache))
        sigma()


if __name__ == "__main__":
    main()
