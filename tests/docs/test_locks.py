"""requirements-run.lock is what a container installs: what the dependencies need, in the tested versions, no more."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(lock: str) -> dict[str, str]:
    """Each requirement of a lock, with its version, marker and hashes, by name."""
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8").strip())
    return {canonicalize_name(entry.partition("==")[0]): entry for entry in entries}


def needed(requirements: list[str]) -> set[str]:
    """The names that these requirements bring with them on this machine."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            further = Requirement(text)
            extras = [*requirement.extras, ""]
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(further)
    return found


def applies(entry: str) -> bool:
    _, _, marker = entry.splitlines()[0].rstrip(" \\").partition(" ; ")
    return not marker or Marker(marker).evaluate()


def test_a_container_gets_what_the_dependencies_need_and_nothing_else() -> None:
    locked = {name for name, entry in read("requirements-run.lock").items() if applies(entry)}

    assert locked == needed(PROJECT["dependencies"])


def test_a_container_gets_the_versions_and_hashes_that_are_tested() -> None:
    everything = read("requirements.lock")

    assert {name: entry for name, entry in read("requirements-run.lock").items() if everything.get(name) != entry} == {}


def test_both_locks_hold_the_pins_of_the_project() -> None:
    locked = {name: entry.split()[0] for name, entry in read("requirements.lock").items()}
    extras = [pin for pins in PROJECT["optional-dependencies"].values() for pin in pins]

    pins = {
        canonicalize_name(Requirement(pin).name): str(Requirement(pin).specifier)
        for pin in PROJECT["dependencies"] + extras
    }

    assert {name: pin for name, pin in pins.items() if not locked.get(name, "").endswith(pin)} == {}
