"""A Windows to test on: Wine, CPython for Windows, and the wheels that pyproject.toml asks for, in `.cache/windows`.

    python -m tests.support.windows                  makes it, if it is not there
    python -m tests.support.windows -m shipper ...   runs its Python

Every user has a Wine prefix (registry and drive C:) of its own: to end one ends all its processes, and nobody else's.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.jars import CACHE, ROOT, Unavailable, locked
from tests.support.pe import exports_of, forwarder

CPYTHON = "org.bytedeco:cpython:3.11.3-1.5.9:jar:windows-x86_64"
VERSION = "3.11"
WINDOWS = CACHE / "windows"
RECIPE = 1  # another number makes it anew everywhere
MARK = ".ready"
HERE_ONLY = ("build", "hatchling", "mypy", "pytest-cov", "ruff", "types-")  # they look at the code, and do not run it
WINDOWS_ONLY = ("colorama", "pywin32")  # pip, which runs on Linux, does not see what wheels want on Windows
WINESERVER = ("/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver", "wineserver")


class Windows:
    """A Windows of one's own, in an empty folder: use `a_windows`, which ends it."""

    def __init__(self, folder: Path) -> None:
        made = environment()
        self.python = made / "python.exe"
        self.prefix = folder / "prefix"
        copy_prefix(WINDOWS / "prefix", self.prefix)
        self.env = wine_environment(self.prefix)

    def run(
        self,
        arguments: Sequence[str | Path],
        cwd: Path = ROOT,
        given: bytes = b"",
        timeout: float = 600.0,
        **environment: str,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run its Python to the end; paths of Linux mean the same there, on drive Z:.

        Args:
            arguments: those of Python, such as `-m shipper parse FILE`.
            given: its standard input.
            timeout: seconds.
            environment: more variables.
        """
        command = ["wine", self.python, *arguments]
        env = {**self.env, **environment}
        # Python for Windows does not start with a file of Linux as a standard stream: all are pipes.
        return subprocess.run(command, cwd=cwd, env=env, input=given, capture_output=True, timeout=timeout, check=False)

    def start(self, arguments: Sequence[str | Path], cwd: Path = ROOT, **environment: str) -> "subprocess.Popen[bytes]":
        """Start its Python; the streams are pipes, which the caller reads."""
        command, pipe = ["wine", str(self.python), *map(str, arguments)], subprocess.PIPE
        return subprocess.Popen(command, cwd=cwd, env={**self.env, **environment}, stdin=pipe, stdout=pipe, stderr=pipe)

    def show(self, arguments: Sequence[str | Path], **environment: str) -> int:
        """Run its Python, and print what it prints as it comes; the exit status."""
        pipe = subprocess.PIPE
        command, env = ["wine", str(self.python), *map(str, arguments)], {**self.env, **environment}
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT
        ) as shown:
            assert shown.stdout is not None
            while piece := os.read(shown.stdout.fileno(), 65_536):
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
        return shown.returncode

    def end(self) -> None:
        """End all that runs there."""
        subprocess.run([wineserver(), "-k"], env=self.env, capture_output=True, check=False)
        subprocess.run([wineserver(), "-w"], env=self.env, capture_output=True, check=False, timeout=60)


@contextmanager
def a_windows() -> Iterator[Windows]:
    """A Windows that nobody else uses, as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="mfa-wine-", ignore_cleanup_errors=True) as folder:
        windows = Windows(Path(folder))
        try:
            yield windows
        finally:
            windows.end()


def wine_environment(prefix: Path) -> dict[str, str]:
    """The variables for a prefix; without those of a Python of Linux."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEARCH": "win64", "PYTHONDONTWRITEBYTECODE": "1"}


def wineserver() -> str:
    """The program that a prefix's processes are ended with."""
    return next(filter(None, map(shutil.which, WINESERVER)), WINESERVER[-1])


def copy_prefix(source: Path, target: Path) -> None:
    """A prefix like another: Windows' own files are hard links, the registry and the drives are copied."""

    def copy(name: str, to: str) -> None:
        if name.endswith((".reg", ".ini", ".update-timestamp")):
            shutil.copy2(name, to)
            return
        try:
            os.link(name, to)
        except OSError:
            shutil.copy2(name, to)

    shutil.copytree(source, target, symlinks=True, copy_function=copy)


@functools.cache
def environment() -> Path:
    """The folder of `python.exe`; makes what is not there. Other processes wait for the one that makes it.

    Raises:
        Unavailable: with what to install.
    """
    for program, package in (("wine", "wine64 wine"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise Unavailable(
                f"{program} is not installed; Windows needs it (Debian: apt-get install --no-install-recommends {package})"
            )
    wanted = requirements(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    recipe = [CPYTHON, str(RECIPE), *wanted]
    folder = (
        WINDOWS / hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:12]
    )  # another recipe does not disturb who runs this one
    WINDOWS.mkdir(parents=True, exist_ok=True)
    with locked(WINDOWS / "lock"):
        if not (folder / MARK).exists():
            shutil.rmtree(folder, ignore_errors=True)
            unpack_python(folder)
            install(wanted, folder)
            make_prefix(WINDOWS / "prefix")
            (folder / MARK).touch()
        (WINDOWS / MARK).write_text(f"{folder.name}\n", encoding="utf-8")
    return folder


def requirements(project: dict[str, object]) -> list[str]:
    """What pyproject.toml requires: the program, and the tools that tests run with."""
    table = project["project"]
    assert isinstance(table, dict)
    extras = table["optional-dependencies"]
    rows = [*table["dependencies"], *extras["dev"], *extras.get("windows", []), *WINDOWS_ONLY]
    wanted = [row.partition(";")[0].strip() for row in rows]  # a marker is asked of the Python that runs pip, which is no Windows
    return sorted({row for row in wanted if not row.startswith(HERE_ONLY)})


def unpack_python(folder: Path) -> None:
    """CPython for Windows from its jar, and the two libraries that it and Wine 8 lack."""
    with tempfile.TemporaryDirectory() as jars:
        call(["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={CPYTHON}", f"-DoutputDirectory={jars}"])
        (jar,) = Path(jars).glob("*.jar")
        with zipfile.ZipFile(jar) as archive:
            archive.extractall(jars)
        shutil.move(next(Path(jars).rglob("python.exe")).parent, folder)
    # Wheels for several versions of Python, and those that Rust made, ask for these by name.
    stable = {name: f"python311.{name}" for name in exports_of((folder / "python311.dll").read_bytes())}
    (folder / "python3.dll").write_bytes(forwarder("python3.dll", stable))
    random = {"ProcessPrng": "advapi32.SystemFunction036"}
    (folder / "bcryptprimitives.dll").write_bytes(forwarder("bcryptprimitives.dll", random))


def install(wanted: list[str], folder: Path) -> None:
    """The wheels for Windows into its site-packages."""
    packages = folder / "lib" / "site-packages"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    with tempfile.TemporaryDirectory() as wheels:
        sources = [row for row in wanted if row.startswith("pygrok")]  # the only one without a wheel: it is plain Python
        call([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, *sources])
        only = ["--platform", "win_amd64", "--python-version", VERSION, "--implementation", "cp", "--only-binary=:all:"]
        call([*pip, "install", *only, "--no-compile", "--find-links", wheels, "--target", str(packages), *wanted])
    for library in (packages / "pywin32_system32").glob("*.dll"):
        shutil.copy2(library, folder)
    if sys.version_info[:2] == (3, 11):  # the same bytecode, and made in a tenth of the time
        call([sys.executable, "-m", "compileall", "-q", "-j", "0", str(folder / "lib")], may_fail=True)


def make_prefix(prefix: Path) -> None:
    """The prefix that all others are copies of."""
    if not (prefix / MARK).exists():
        shutil.rmtree(prefix, ignore_errors=True)
        env = wine_environment(prefix)
        call(["wine", "wineboot", "-i"], env)
        call([wineserver(), "-w"], env)
        (prefix / MARK).touch()


def call(command: Sequence[str], env: dict[str, str] | None = None, *, may_fail: bool = False) -> None:
    """Run a command; raises Unavailable with what it said."""
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode and not may_fail:
        said = re.sub(r"\s+", " ", done.stdout + done.stderr)[-600:]
        raise Unavailable(f"{' '.join(command[:4])} failed: {said}")


def main() -> int:
    """Make it, and run its Python if there are arguments."""
    try:
        folder = environment()
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    if not sys.argv[1:]:
        print(folder / "python.exe")
        return 0
    with a_windows() as windows:
        return windows.show(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
