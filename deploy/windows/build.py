"""Builds the program for Windows under Wine, with PyInstaller: `make windows-exe` writes dist/mfa-shipper-VERSION-windows-x64.zip.

On a Windows with Python the same is:

    pip install --editable .[report,evtx,exe]
    pyinstaller deploy/windows/mfa-shipper.spec
"""

import hashlib
import re
import shutil
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from pathlib import Path

from shipper import __version__
from tests.support.jars import ROOT, Unavailable, locked
from tests.support.windows import WINDOWS, a_windows, call, environment

HERE = ROOT / "deploy" / "windows"
NAME = f"mfa-shipper-{__version__}-windows-x64"
FOR_WINDOWS = ["--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:"]


def tools() -> Path:
    """The folder of PyInstaller for Windows; it is fetched if it is not there.

    Raises:
        Unavailable: it cannot be fetched.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # pip, which runs on Linux, would leave out what is marked for Windows.
    wanted = [row.partition(";")[0] for row in project["optional-dependencies"]["exe"]]
    folder = WINDOWS / f"exe-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
    with locked(WINDOWS / "exe.lock"):
        if not (folder / ".ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-compile"]
            call([*pip, *FOR_WINDOWS, "--target", str(folder), *wanted])
            (folder / ".ready").touch()
    return folder


def build(target: Path) -> Path:
    """The zip, in the folder `target`.

    Raises:
        Unavailable: something that it takes is not to be had, or PyInstaller failed.
    """
    paths, kernel = f"Z:{ROOT};Z:{tools()}", ""
    with tempfile.TemporaryDirectory(prefix="mfa-exe-") as name, a_windows() as windows:
        folder = Path(name)
        if made := compiled():
            with zipfile.ZipFile(made) as wheel:
                kernel = f"Z:{wheel.extract('shipper/decode/_kernel.pyd', folder)}"
        command = ["-m", "PyInstaller", "--noconfirm", "--workpath", f"Z:{folder}/work", "--distpath", f"Z:{folder}"]
        done = windows.run([*command, f"Z:{HERE}/mfa-shipper.spec"], cwd=folder, timeout=3600, PYTHONPATH=paths, KERNEL=kernel)
        if done.returncode:
            raise Unavailable(f"PyInstaller failed: {done.stderr.decode(errors='replace')[-2000:]}")
        program = folder / "mfa-shipper"
        complete(program)
        unpacked = folder / "zipped" / NAME
        unpacked.parent.mkdir()
        program.rename(unpacked)
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.make_archive(str(target / NAME), "zip", unpacked.parent, NAME))


def compiled() -> Path | None:
    """The wheel with the compiled kernel that `make wheels` made; none that is older than what the kernel is made of."""
    wheel = ROOT / "dist" / f"mfa_shipper-{__version__}-cp311-abi3-win_amd64.whl"
    sources = [path for name in ("Cargo.*", "src/**/*.rs") for path in (ROOT / "shipper" / "decode" / "kernel").glob(name)]
    if wheel.exists() and wheel.stat().st_mtime > max(path.stat().st_mtime for path in sources):
        return wheel
    return None


def complete(program: Path) -> None:
    """Put beside the program what an administrator needs, and the licences of what PyInstaller does not know as a package."""
    licences = program / "licences"
    (program / "_internal" / "licences").rename(licences)
    shutil.copy2(ROOT / "LICENSE", program / "LICENSE.txt")
    python = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    shutil.copy2(python, licences / "CPython.txt")
    (licences / "OpenSSL.txt").write_text(openssl_licence(), encoding="utf-8")
    for script in ("install.ps1", "uninstall.ps1"):
        shutil.copy2(HERE / script, program / script)
    (program / "examples").mkdir()
    for example in HERE.glob("*.yaml"):
        shutil.copy2(example, program / "examples" / example.name)
    pages = program / "docs"
    shutil.copytree(ROOT / "deploy" / "docs", pages, ignore=shutil.ignore_patterns("pictures"))
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    (program / "README.md").write_text(readme.replace("](../docs/", "](docs/"), encoding="utf-8")


def openssl_licence() -> str:
    """That of OpenSSL 1.1, which CPython's `ssl` is made with: confluent-kafka's wheel, which has the same one, names it."""
    [path] = (environment() / "lib" / "site-packages").glob("confluent_kafka-*.dist-info/licenses/LICENSE")
    sections = re.split(r"^#{10,}\n# (\w+) +#\n#{10,}\n", path.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(sections[1::2], sections[2::2], strict=True))["OpenSSL"].strip() + "\n"


def main() -> int:
    """Build, and say where it is and how large."""
    try:
        made = build(ROOT / "dist")
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    kernel = "compiled" if compiled() else "none (make wheels makes it, or it is older than its sources)"
    print(f"{made.relative_to(ROOT)}: {made.stat().st_size / (1 << 20):.1f} MiB, kernel {kernel}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
