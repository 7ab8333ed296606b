"""People who edit the config file, many times, often wrongly, and save it in every way there is."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from signals.config import Config

_BROKEN = ("no YAML", "no such key", "a wrong value", "cut off", "no text", "another time zone", "another window")


@dataclass(frozen=True)
class Edit:
    """A content of the file; `config` is None where it must not count, and `what` says what is wrong with it."""

    content: bytes
    config: Config | None
    what: str


def draw(rng: random.Random, number: int, base: dict[str, Any]) -> Edit:
    """The next edit: every second one is broken on average. No two that count are the same config."""
    values = base | _values(rng, number)
    if rng.random() < 0.5:  # half of them
        return _broken(rng, values)
    return Edit(_yaml(values), Config.model_validate(values), "good")


def save(rng: random.Random, path: Path, content: bytes) -> str:
    """Save the file in one of the ways there are; returns which."""
    way = rng.choice(("in place", "renamed", "swapped"))
    if way == "in place":
        with path.open("wb") as file:
            half = rng.randrange(len(content) + 1)
            file.write(content[:half])
            file.flush()
            file.write(content[half:])
    elif way == "renamed":
        new = path.with_name(".plg.yaml.new")
        new.write_bytes(content)
        new.replace(path)
    else:
        _swap(rng, path, content)
    return way


def _swap(rng: random.Random, path: Path, content: bytes) -> None:
    """As the kubelet brings a new ConfigMap: a new folder, and one link exchanged."""
    folder = path.with_name(f"..{rng.randrange(10**12):012d}")
    folder.mkdir()
    (folder / path.name).write_bytes(content)
    link = path.with_name("..data_tmp")
    link.symlink_to(folder.name)
    link.replace(path.with_name("..data"))
    if not path.is_symlink() or os.readlink(path) != f"..data/{path.name}":  # noqa: PTH115  # as text
        new = path.with_name(".plg.yaml.link")
        new.symlink_to(f"..data/{path.name}")
        new.replace(path)


def _values(rng: random.Random, number: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "signals": {
            # Another one each time, so that each edit has a hash of its own.
            "multi_user": {"active_users": rng.randint(3, 7), "rearm_at": 1, "cooldown": f"{number + 1}h"},
            "second_user": {"enabled": rng.random() < 0.8},
            "activation_stalled": {"after": f"{rng.randint(1, 48)}h"},
            "habit_formed": {"active_days": rng.randint(2, 5)},
            "power_user": {"active_days": rng.randint(2, 6), "core_names": rng.randint(1, 3)},
            "went_silent": {"enabled": rng.random() < 0.8, "after": f"{rng.randint(1, 20)}d"},
            "seat_limit": {"ratio": rng.choice((0.5, 0.7, 0.8, 0.9))},
            "usage_limit": {"levels": rng.choice(([0.5], [0.8, 0.95, 1.0], [0.7, 1.0]))},
            "pql": {"attention": rng.randint(20, 60), "ready": rng.randint(61, 95)},
        },
        "plans": {"free": rng.choice((["free", "trial"], ["free"]))},
        "alerts": {"max_age": rng.choice(("1h", "3649d", "3650d"))},
    }
    if rng.random() < 0.5:
        count = {"rule": "count", "scope": rng.choice(("user", "workspace")), "events": ["Report Shared"]}
        wait = {"rule": "absence", "scope": "user", "after": ["Project Created"], "without": ["Report Shared"]}
        values["custom"] = {"shares": count | {"threshold": rng.randint(1, 4)}, "no_share": wait | {"for": "2d"}}
    if rng.random() < 0.5:
        values["routes"] = [{"name": rng.choice(("sales", "success")), "sinks": ["redis"]}]
    return values


def _broken(rng: random.Random, values: dict[str, Any]) -> Edit:
    what = rng.choice(_BROKEN)
    content = _yaml(values)
    if what == "no YAML":
        content += b"\nsignals: [}\n"
    elif what == "no such key":
        content = _yaml(values | {"signal": {}})
    elif what == "a wrong value":
        content = _yaml(values | {"alerts": {"max_age": "soon"}})
    elif what == "cut off":
        content = content[: rng.randrange(20, 60)] + b": ["
    elif what == "no text":
        content = b"\xff\xfe" + content
    elif what == "another time zone":
        content = _yaml(values | {"time_zone": "Europe/Berlin"})
    else:
        signals = values["signals"] | {"seat_growth": {"window": "28d"}}
        content = _yaml(values | {"signals": signals})
    return Edit(content, None, what)


def _yaml(values: dict[str, Any]) -> bytes:
    out = BytesIO()
    YAML(typ="safe").dump(values, out)
    return out.getvalue()
