"""Config: its defaults, what it refuses, and what it warns about."""

from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from signals.config import Config
from signals.event import Role
from signals.names import normal_name
from signals.selling import Priority


def sections(model: BaseModel) -> list[BaseModel]:
    """The model and every model in it."""
    found = [model]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, BaseModel):
                found.extend(sections(inner))
    return found


def test_without_a_key_every_value_is_the_default_of_the_specification() -> None:
    config = Config.model_validate({})

    assert config == Config()
    assert config.prefix == "plg"
    assert config.events.activated == config.events.core == config.events.passive == ()
    assert config.events.of(Role.TRIAL_STARTED) == ("Trial Started",)
    assert config.alerts.cooldown == timedelta(days=7)
    assert config.plans.free == ("free", "trial")
    assert config.zone is UTC
    assert config.limits.max_event_bytes == 262_144
    assert config.signals.multi_user.active_users == 5


def test_every_role_has_its_list_of_names() -> None:
    assert {role.value for role in Role} | {"passive"} == set(type(Config().events).model_fields)


def test_every_section_is_frozen_and_refuses_unknown_keys() -> None:
    for section in sections(Config()):
        assert section.model_config.get("frozen"), type(section)
        assert section.model_config.get("extra") == "forbid", type(section)


@pytest.mark.parametrize(
    "mapping",
    [
        {"prefix": "Plg"},
        {"prefix": "1plg"},
        {"prefix": "p.lg"},
        {"clock": "sun"},
        {"time_zone": "Mars/Base"},
        {"time_zone": "America"},
        {"time_zone": "../../etc/passwd"},
        {"source": {"topics": []}},
        {"source": {"topics": ["a b"]}},
        {"source": {"topics": ["plg.signals"]}},
        {"prefix": "x", "source": {"topics": ["x.alerts"]}},
        {"topics": {"partitions": 0}},
        {"events": {"signed_up": ["Sign Up", "sign_up"]}},
        {"events": {"signed_up": [" - "]}},
        {"events": {"signedup": []}},
        {"identity": {"user_id": ["a..b"]}},
        {"internal": {"domains": ["not a domain"]}},
        {"domains": {"enterprise": ["10.0.0.1"]}},
        {"alerts": {"cooldown": 7}},
        {"alerts": {"cooldown": "-7d"}},
        {"policy": {"assume_activated_before": 20261101}},
        {"routes": []},
        {"routes": [{"name": "a"}, {"name": "a"}]},
        {"routes": [{"signals": ["multi_usr"]}]},
        {"routes": [{"priority": {"multi_user": "soon"}}]},
        {"routes": [{"sinks": ["rediss"]}]},
        {"routes": [{"sinks": ["slack"], "channel": "#sales"}]},
        {"slack": {"token": "xoxb-1"}},
        {"slack": {"interval": 1}},
        {"slack": {"interval": "61s"}},
        {"slack": {"timeout": "0s"}},
        {"slack": {"workspace_link": "javascript:alert(1)"}},
        {"slack": {"workspace_link": "https://crm.example.com@evil.example/"}},
        {"slack": {"user_link": "https://crm.example.com/a|b"}},
        {"slack": {"api_url": "http://slack.example/api/"}},
        {"slack": {"api_url": "https://slack.example:none/api/"}},
        {"slack": {"webhook_base": "https://hooks.slack.com"}},
        {"signals": {"multi_user": {"threshold": 5}}},
        {"signals": {"multi_user": {"window": 7}}},
        {"signals": {"multi_user": {"window": True}}},
        {"signals": {"multi_user": {"window": "8d"}}},
        {"limits": {"max_event_bytes": 0}},
    ],
)
def test_what_makes_no_sense_is_refused(mapping: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(mapping)


def test_values_are_brought_into_one_form() -> None:
    config = Config.model_validate(
        {
            "time_zone": "Europe/Berlin",
            "internal": {"domains": ["@OurSaaS.example", ".corp.example."], "user_ids": [42, "u1"]},
            "policy": {"assume_activated_before": "2026-11-01"},
        }
    )

    assert config.zone == ZoneInfo("Europe/Berlin")
    assert config.internal.domains == ("oursaas.example", "corp.example")
    assert config.internal.user_ids == ("42", "u1")
    assert config.policy.assume_activated_before == date(2026, 11, 1)


def test_a_list_of_names_replaces_the_default_list() -> None:
    config = Config.model_validate({"events": {"signed_up": ["Joined Us"]}})

    assert config.events.signed_up == ("Joined Us",)
    assert config.events.invite_sent == Config().events.invite_sent


@pytest.mark.parametrize("name", ["Signed Up", "signed_up", "SIGNED-UP", "signedUp", "  Signed\tUp "])
def test_names_compare_without_case_underscores_hyphens_and_spaces(name: str) -> None:
    assert normal_name(name) == "signedup"


def test_equal_configs_have_one_hash_and_any_change_gives_another() -> None:
    assert Config().hash == Config.model_validate({"prefix": "plg"}).hash
    assert Config().hash != Config.model_validate({"alerts": {"cooldown": "8d"}}).hash
    assert len(Config().hash) == 12
    assert int(Config().hash, 16) >= 0


def test_reading_the_hash_changes_nothing() -> None:
    config = Config()

    assert config.hash == config.hash
    assert config == Config()


def test_a_signal_without_a_priority_is_normal() -> None:
    route = Config().routes[0]

    assert route.priority_of("procurement") is Priority.URGENT
    assert route.priority_of("second_user") is Priority.NORMAL


@pytest.mark.parametrize("text", ["99999999999999d", "9" * 400 + "s"])
def test_duration_beyond_all_calendars_is_a_mistake_like_any_other(text: str) -> None:
    with pytest.raises(ValidationError, match="a duration is some years at most"):
        Config.model_validate({"alerts": {"cooldown": text}})
