"""Builds the image without Docker, by buildah: `make image` writes dist/mfa-shipper-VERSION-EXTRAS-image.tar, for `docker load`.

Where no registry is to be had, the base is a Debian that debootstrap makes; the Dockerfile is the same.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from shipper import __version__
from tests.support.jars import CACHE, ROOT, Unavailable, locked

DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
KEPT = CACHE / "image"
LOCAL_BASE = "localhost/debian:13"
TOOLS = {"buildah": "buildah", "debootstrap": "debootstrap"}  # command, Debian package
SUITE = "trixie"
CERTIFICATES = "/run/certificates.pem"  # in the build


def buildah(*arguments: str | Path) -> str:
    """Run buildah on images of our own, and return what it printed.

    Raises:
        Unavailable: it is not there, or fails.
    """
    storage = ["--root", str(KEPT / "storage"), "--runroot", str(KEPT / "run")]
    return call("buildah", *storage, *arguments)


def call(*command: str | Path) -> str:
    """Run a command to its end; Unavailable with the end of what it said, if it fails."""
    name = str(command[0])
    if shutil.which(name) is None:
        raise Unavailable(f"{name} is not installed: apt-get install --no-install-recommends {TOOLS.get(name, name)}")
    # Isolation by chroot: it needs neither systemd nor cgroups.
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    words = [str(part) for part in command]
    done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, they are ours
    if done.returncode:
        raise Unavailable(f"{name} failed: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout.strip()


def base() -> str:
    """The name of a Debian that debootstrap makes once."""
    with locked(CACHE / "image.lock"):
        if LOCAL_BASE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            site = min(call("apt-get", "indextargets", "--format", "$(SITE)").split())  # the archive, before its security updates
            with tempfile.TemporaryDirectory(prefix="mfa-base-") as name:
                folder = Path(name) / "debian"
                call("debootstrap", "--variant=minbase", SUITE, folder, site)
                call("tar", "--create", "--file", f"{name}/debian.tar", "--directory", folder, ".")
                container = buildah("from", "scratch")
                buildah("add", container, f"{name}/debian.tar", "/")
                buildah("commit", "--rm", container, LOCAL_BASE)
    return LOCAL_BASE


def build(extras: str, base_image: str | None = None) -> str:
    """The name of the image with these extras: a name of a file in `requirements/`, `build` excepted."""
    name = f"localhost/mfa-shipper:{__version__}-{extras}"
    labels = {"VERSION": __version__, "REVISION": call("git", "describe", "--always", "--dirty")}
    arguments = {"BASE": base_image or base(), "EXTRAS": extras, **labels}
    with tempfile.TemporaryDirectory(prefix="mfa-image-") as folder:
        buildah(
            "build", "--format=docker", "--network=host", "--layers", f"--file={DOCKERFILE}", f"--tag={name}",
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *(f"--volume={source}:{target}:ro" for source, target in of_registries(Path(folder)).items()),
            ROOT,
        )  # fmt: skip
    return name


def of_registries(folder: Path) -> dict[Path, str]:
    """What the environment tells pip, and OpenSSL, of mirrors and certificates, and where the build must find it; files of it go to `folder`."""
    mounted, pip, cargo = {}, ["[global]"], ["[http]"]
    if "SSL_CERT_FILE" in os.environ:
        mounted[Path(os.environ["SSL_CERT_FILE"])] = CERTIFICATES
        pip.append(f"cert = {CERTIFICATES}")
        cargo.append(f'cainfo = "{CERTIFICATES}"')
    if "PIP_INDEX_URL" in os.environ:
        pip.append(f"index-url = {os.environ['PIP_INDEX_URL']}")
    for name, target, lines in (("pip.conf", "/etc/pip.conf", pip), ("cargo.toml", "/root/.cargo/config.toml", cargo)):
        (folder / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
        mounted[folder / name] = target
    return mounted


def unpacked(image: str, folder: Path) -> Path:
    """The files of an image, as they lie below the root of a container, in `folder`."""
    container = buildah("from", "--pull-never", image)
    try:
        mounted = buildah("mount", container)
        call("cp", "--archive", f"{mounted}/.", folder)
    finally:
        buildah("rm", container)
    return folder


def main() -> int:
    """Build, and say where it is and how large."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", default="fast", help="fast (default), detect or report")
    parser.add_argument("--base", help="image to build on (default: one that debootstrap makes)")
    asked = parser.parse_args()
    target = ROOT / "dist" / f"mfa-shipper-{__version__}-{asked.extras}-image.tar"
    try:
        image = build(asked.extras, asked.base)
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        buildah("push", image, f"docker-archive:{target}:mfa-shipper:{__version__}-{asked.extras}")
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
