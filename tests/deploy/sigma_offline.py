"""The command `sigma` with the ATT&CK names of deploy/sigma/attack-min.json, so that tags are checked without a network.

    python -m tests.deploy.sigma_offline check --fail-on-issues deploy/sigma/rules

sigma-cli fetches the whole ATT&CK collection as soon as a rule has an attack tag, and ends with a traceback where
it cannot. The small file holds the names in our rules and no others: a tag that it lacks is an issue.
"""

import sys
import tempfile
from pathlib import Path

from deploy.generate.sigma.kibana import ATTACK
from deploy.generate.sigma.rules import SIGMA, library
from tests.deploy.tools import ROOT, run


def sigma_check(folder: Path) -> tuple[int, str]:
    """Exit status of `sigma check` on a folder of rules, and what it says."""
    command = (sys.executable, "-m", "tests.deploy.sigma_offline", "check", "--fail-on-issues", "-c", SIGMA / "validation.yml")
    done = run(*command, folder, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def use_own_attack_data(cache: Path) -> None:
    """Point pySigma to the small file; the cache must not be the user's own, which it would spoil."""
    mitre_attack = library("sigma.data.mitre_attack")

    mitre_attack.set_cache_dir(str(cache))
    mitre_attack.set_url(str(ATTACK))


def main() -> None:
    """Run the command."""
    sigma = library("sigma.cli.main").main

    with tempfile.TemporaryDirectory() as cache:
        use_own_attack_data(Path(cache))
        sigma()


if __name__ == "__main__":
    main()
