"""The compiled kernel is used where it is there and fits, and otherwise it is said why not."""

import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

import shipper.decode
from shipper.decode import compiled

NAME = "shipper.decode._kernel"


def with_interface(number: int) -> ModuleType:
    module = ModuleType(NAME)
    module.__dict__["INTERFACE"] = number
    return module


class Unloadable:
    """Finds the kernel, and cannot load it: as where glibc is older than it wants."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == NAME:
            raise ImportError("version `GLIBC_2.99' not found")


@pytest.fixture(autouse=True)
def _nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MFA_SHIPPER_KERNEL", raising=False)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.delattr(shipper.decode, "_kernel", raising=False)


def test_one_that_fits_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NAME, with_interface(compiled.INTERFACE))
    assert compiled.trouble() == ""


def test_one_for_other_code_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NAME, with_interface(compiled.INTERFACE + 1))
    assert compiled.trouble() == "built for another version"


@pytest.mark.parametrize("value", ["off", "Off", "0"])
def test_it_is_switched_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NAME, with_interface(compiled.INTERFACE))
    monkeypatch.setenv("MFA_SHIPPER_KERNEL", value)
    assert compiled.trouble() == f"MFA_SHIPPER_KERNEL={value}"


def test_one_that_is_switched_off_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFA_SHIPPER_KERNEL", "off")
    assert runpy.run_path(str(compiled.__file__))["WHY_NOT"] == "MFA_SHIPPER_KERNEL=off"
    assert NAME not in sys.modules


def test_it_may_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipper.decode, "__path__", [str(tmp_path)])
    assert compiled.trouble() == "not built"


def test_it_may_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [Unloadable(), *sys.meta_path])
    assert compiled.trouble() == "it does not load: version `GLIBC_2.99' not found"


@pytest.mark.parametrize(("why_not", "said"), [("", "compiled"), ("not built", "none (not built)")])
def test_which_is_in_use_is_said_with_the_reason(why_not: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "WHY_NOT", why_not)
    assert compiled.in_use() == said
