"""Dockerfile and docker-compose.yml held against the code: what they name exists, and nothing is open or unpinned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from signals.units import parse_duration
from streams.cli import app
from streams.config_source import load_config
from streams.settings import Settings
from tests.kafka_jars import kafka_version

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = YAML(typ="safe").load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OUR_IMAGE = "plg-signals"
OURS = {name: service for name, service in SERVICES.items() if service["image"] == OUR_IMAGE}
PROCESSES = {name: service for name, service in OURS.items() if service["restart"] == "unless-stopped"}
# The image's entry point; what a service runs instead is not checked as a command of ours.
COMMANDS = {name: tuple(service["command"]) for name, service in OURS.items() if "entrypoint" not in service}
# Typer carries a click of its own, in which this class has no public name.
USAGE_ERROR = typer.BadParameter.__mro__[1]


# -- what they run exists


def exists(arguments: tuple[str, ...]) -> bool:
    """Whether `plg` takes these arguments."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while rest and hasattr(command, "commands"):
        command = command.commands.get(rest.pop(0))
        if command is None:
            return False
    try:
        command.make_context("plg", rest)
    except USAGE_ERROR:
        return False
    return not hasattr(command, "commands")


@pytest.mark.parametrize("service", COMMANDS)
def test_the_command_of_a_service_exists(service: str) -> None:
    assert exists(COMMANDS[service])


def test_the_health_checks_are_a_command_of_ours() -> None:
    [in_image] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    checks = [json.loads(in_image), *(service["healthcheck"]["test"][1:] for service in PROCESSES.values())]

    assert all(program == "plg" and exists(tuple(arguments)) for program, *arguments in checks)


def test_the_demo_plays_simulated_events_with_commands_that_exist() -> None:
    [script] = SERVICES["demo"]["command"]
    simulator, _, player = script.partition(" && exec plg ")

    assert exists(tuple(player.split()))
    assert simulator.startswith("python -m simulator ")
    from simulator.__main__ import app as simulate

    typer.main.get_command(simulate).make_context("simulator", simulator.split()[3:])


def test_a_command_that_does_not_exist_is_seen() -> None:
    assert not exists(("sinks", "pigeon"))
    assert not exists(("worker", "--fast"))
    assert not exists(("topics",))


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE_TEXT, (ROOT / "docs" / "operations.md").read_text()])
def test_every_variable_of_ours_is_a_setting(text: str) -> None:
    known = {f"PLG_{name.upper()}" for name in Settings.model_fields}
    secrets = (name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))
    known |= {f"PLG_{name.upper()}_FILE" for name in secrets}

    assert set(re.findall(r"\bPLG_[A-Z_]+\b", text)) <= known


@pytest.mark.parametrize("service", OURS)
def test_the_config_of_a_service_is_in_the_image_and_can_be_read(service: str) -> None:
    inside = Path(OURS[service]["environment"]["PLG_CONFIG"])

    load_config(ROOT / inside.relative_to("/app"))


def test_the_demo_shares_no_prefix_and_no_topic_with_the_real_thing() -> None:
    real, demo = load_config(ROOT / "config" / "plg.yaml"), load_config(ROOT / "config" / "demo.yaml")

    assert real.prefix != demo.prefix
    assert not set(real.source.topics) & set(demo.source.topics)


def test_services_that_are_waited_for_are_there_and_in_the_same_profile() -> None:
    for name, service in SERVICES.items():
        for needed, condition in service.get("depends_on", {}).items():
            profiles = SERVICES[needed].get("profiles", [])
            assert not profiles or profiles == service["profiles"], (name, needed)
            once = condition["condition"] == "service_completed_successfully"
            assert once == (SERVICES[needed].get("restart") == "no"), (name, needed)


# -- the parts agree


def test_a_process_is_given_more_time_to_stop_than_it_takes() -> None:
    limit_s = Settings.model_fields["stop_timeout_s"].default

    for service in PROCESSES.values():
        assert parse_duration(service["stop_grace_period"]).total_seconds() > limit_s


def test_the_health_port_is_the_one_that_everybody_expects() -> None:
    port = Settings.model_fields["health"].default.rpartition(":")[2]

    assert {service["environment"]["PLG_HEALTH"] for service in OURS.values()} == {f"0.0.0.0:{port}"}


def test_kafka_listens_where_it_sends_its_clients() -> None:
    kafka = SERVICES["kafka"]["environment"]
    listens = dict(entry.split("://") for entry in kafka["KAFKA_LISTENERS"].split(","))
    advertised = dict(entry.split("://") for entry in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    [published] = SERVICES["kafka"]["ports"]

    assert {name: f":{address.rpartition(':')[2]}" for name, address in advertised.items()}.items() <= listens.items()
    assert OURS["worker"]["environment"]["PLG_KAFKA"] == f"${{PLG_KAFKA:-{advertised['INSIDE']}}}"
    assert published == f"127.0.0.1{listens['HOST']}:{advertised['HOST'].rpartition(':')[2]}"


def test_kafka_is_the_one_that_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"


def test_redis_evicts_nothing_and_keeps_what_was_written() -> None:
    command = " ".join(SERVICES["redis"]["command"])

    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


# -- nothing open, nothing loose


def test_every_foreign_image_is_pinned_to_a_patch() -> None:
    images = [service["image"] for service in SERVICES.values() if service["image"] != OUR_IMAGE]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

    assert [image for image in images if not re.search(r":\d+\.\d+\.\d+(-|$)", image)] == []


def test_both_stages_run_the_same_python() -> None:
    assert len(set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_privileges_and_no_port_beyond_this_machine(service: str) -> None:
    made = SERVICES[service]

    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert not made.get("privileged", False)
    assert all(port.startswith("127.0.0.1:") for port in made.get("ports", []))
    assert made["logging"]["options"]["max-size"]
    # Kafka's image writes its own config at the start.
    assert service == "kafka" or made["read_only"]


@pytest.mark.parametrize("service", PROCESSES)
def test_a_process_can_be_started_more_than_once(service: str) -> None:
    assert not {"container_name", "ports"} & PROCESSES[service].keys()


def test_the_image_runs_as_nobody_and_takes_signals() -> None:
    lines = DOCKERFILE.splitlines()

    [user] = [line for line in lines if line.startswith("USER ")]
    assert re.fullmatch(r"USER [1-9]\d{4}:[1-9]\d{4}", user)
    assert lines.index(user) > max(number for number, line in enumerate(lines) if line.startswith("COPY "))
    assert "STOPSIGNAL SIGTERM" in lines
    assert 'ENTRYPOINT ["plg"]' in lines


def copied() -> Iterator[str]:
    """What the build takes from the project's folder."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        yield from line.split()[:-1]


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied())
    assert [path for path in copied() if not (ROOT / path).exists()] == []


def test_every_package_of_ours_is_in_the_image() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(copied())


def test_no_secret_stands_in_the_files() -> None:
    assert COMPOSE["secrets"] == {"slack_token": {"file": "./secrets/slack_token"}}
    assert "secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
