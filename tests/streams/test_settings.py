"""Environment variables: a value that cannot be used is named, never shown."""

from __future__ import annotations

import pytest

from signals.errors import ConfigError
from streams.settings import read_settings


def test_every_unusable_variable_is_named_and_no_value_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLG_CHECKPOINT_S", "soon")
    monkeypatch.setenv("PLG_SESSION_TIMEOUT_S", "0")

    with pytest.raises(ConfigError) as raised:
        read_settings()

    lines = str(raised.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["PLG_CHECKPOINT_S", "PLG_SESSION_TIMEOUT_S"]
    assert "soon" not in str(raised.value)


def test_the_password_of_the_redis_url_is_not_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLG_REDIS_URL", "redis://:canary@localhost/0")

    assert "canary" not in repr(read_settings())
