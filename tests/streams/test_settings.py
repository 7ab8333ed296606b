"""Environment variables: a value that cannot be used is named, never shown."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from signals.errors import ConfigError
from streams.settings import Settings, _secret_fields, read_settings
from tests.certificates import KEY_PASSWORD, Certificates

_CA_CERT_AND_KEY = ["KAFKA_CA", "KAFKA_CERT", "KAFKA_KEY"]
_USER_AND_PASSWORD = ["REDIS_USERNAME", "REDIS_PASSWORD"]


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


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLG_KAFKA", "")
    monkeypatch.setenv("PLG_KAFKA_PASSWORD", "")

    settings = read_settings()

    assert settings == Settings(kafka="localhost:9092")
    assert settings.kafka_password is None


def test_without_security_kafka_gets_the_options_it_always_had() -> None:
    assert Settings(kafka="a:1,b:2").kafka_options == {"bootstrap.servers": "a:1,b:2", "log_level": "0"}
    assert Settings().redis_options == {}


# -- secrets from files


@pytest.mark.parametrize("content", [b"s3cret", b"s3cret\n", b"s3cret\r\n"])
@pytest.mark.parametrize("variable", ["PLG_REDIS_PASSWORD", "PLG_REDIS_URL"])
def test_a_secret_comes_from_the_file_its_twin_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: bytes
) -> None:
    (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secret"))

    secret = getattr(read_settings(), variable.removeprefix("PLG_").lower())

    assert secret.get_secret_value() == "s3cret"


def test_only_one_newline_is_not_part_of_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" s3cret \n\n")
    monkeypatch.setenv("PLG_REDIS_PASSWORD_FILE", str(tmp_path / "secret"))

    assert read_settings().redis_options == {"password": " s3cret \n"}


def test_a_secret_that_cannot_be_read_is_named_and_nothing_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "canary-empty").write_text("\n")
    (tmp_path / "canary-bytes").write_bytes(b"canary \xff")
    monkeypatch.setenv("PLG_KAFKA_SECURITY", "sasl_ssl")
    monkeypatch.setenv("PLG_KAFKA_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("PLG_KAFKA_USERNAME", "plg")
    monkeypatch.setenv("PLG_KAFKA_PASSWORD_FILE", "canary, where a path belongs")
    monkeypatch.setenv("PLG_KAFKA_KEY_PASSWORD_FILE", str(tmp_path / "canary-empty"))
    monkeypatch.setenv("PLG_REDIS_PASSWORD_FILE", str(tmp_path / "canary-bytes"))
    monkeypatch.setenv("PLG_REDIS_URL_FILE", str(tmp_path / "canary-empty"))
    monkeypatch.setenv("PLG_REDIS_URL", "redis://:canary@localhost")
    monkeypatch.setenv("PLG_TICK_S", "canary")

    with pytest.raises(ConfigError) as raised:
        read_settings()

    assert sorted(str(raised.value).splitlines()) == [
        "PLG_KAFKA_KEY_PASSWORD_FILE: the file it names is empty",
        "PLG_KAFKA_PASSWORD_FILE: the file it names cannot be read: No such file or directory",
        "PLG_REDIS_PASSWORD_FILE: the file it names is not text in UTF-8",
        "PLG_REDIS_URL: given twice, PLG_REDIS_URL_FILE is set too; keep one of them",
        "PLG_TICK_S: Input should be a valid number, unable to parse string as a number",
    ]


def test_no_secret_is_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (f"PLG_{name.upper()}" for name in _secret_fields()):
        monkeypatch.setenv(variable, "canary")

    assert "canary" not in repr(Settings())
    assert len(_secret_fields()) >= 5


# -- what does not fit together


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"KAFKA_SECURITY": "sasl_ssl"}, ["KAFKA_SASL_MECHANISM", "KAFKA_USERNAME", "KAFKA_PASSWORD"]),
        ({"KAFKA_SECURITY": "SASL_SSL", "KAFKA_USERNAME": "u", "KAFKA_PASSWORD": "p"}, ["KAFKA_SASL_MECHANISM"]),
        ({"KAFKA_PASSWORD": "p"}, ["KAFKA_PASSWORD"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_USERNAME": "u"}, ["KAFKA_USERNAME"]),
        ({"KAFKA_SECURITY": "tls"}, ["KAFKA_SECURITY"]),
        ({"KAFKA_CA": "{ca}"}, ["KAFKA_CA"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CA": "{folder}/none", "KAFKA_CERT": "{folder}"}, _CA_CERT_AND_KEY),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CA": "{text}"}, ["KAFKA_CA"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CERT": "{client}"}, ["KAFKA_KEY"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_KEY": "{client_key}"}, ["KAFKA_CERT"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_KEY_PASSWORD": "p"}, ["KAFKA_KEY_PASSWORD"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CERT": "{client}", "KAFKA_KEY": "{client_key}"}, ["KAFKA_KEY"]),
        ({"KAFKA_SECURITY": "ssl", "KAFKA_CERT": "{client}", "KAFKA_KEY": "{server_key}"}, ["KAFKA_KEY"]),
        ({"REDIS_CA": "{ca}"}, ["REDIS_CA"]),
        ({"REDIS_URL": "rediss://h", "REDIS_KEY": "{server_key}"}, ["REDIS_CERT"]),
        ({"REDIS_URL": "redis://u:p@h", "REDIS_USERNAME": "u", "REDIS_PASSWORD": "p"}, _USER_AND_PASSWORD),
        ({"REDIS_URL": "redis://h?password=p", "REDIS_PASSWORD": "p"}, ["REDIS_PASSWORD"]),
        ({"REDIS_USERNAME": "u"}, ["REDIS_PASSWORD"]),
        ({"KAFKA_PASSWORD": "p", "REDIS_USERNAME": "u"}, ["KAFKA_PASSWORD", "REDIS_PASSWORD"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_together_is_a_line_each(
    monkeypatch: pytest.MonkeyPatch,
    certificates: Certificates,
    tmp_path: Path,
    variables: dict[str, str],
    named: list[str],
) -> None:
    (tmp_path / "text").write_text("no certificate")
    files = {**vars(certificates), "folder": tmp_path, "text": tmp_path / "text"}
    for name, value in variables.items():
        monkeypatch.setenv(f"PLG_{name}", value.format(**files))

    with pytest.raises(ConfigError) as raised:
        read_settings()

    text = str(raised.value)
    assert [line.partition(":")[0] for line in text.splitlines()] == [f"PLG_{name}" for name in named], text
    assert str(tmp_path) not in text


def test_what_fits_together_is_taken(monkeypatch: pytest.MonkeyPatch, certificates: Certificates) -> None:
    variables = {
        "KAFKA_SECURITY": "sasl_ssl",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        "KAFKA_USERNAME": "u",
        "KAFKA_PASSWORD": "p",
        "KAFKA_CA": str(certificates.ca),
        "KAFKA_CERT": str(certificates.client),
        "KAFKA_KEY": str(certificates.client_key),
        "KAFKA_KEY_PASSWORD": KEY_PASSWORD,
        "REDIS_URL": "rediss://h/0",
        "REDIS_PASSWORD": "q",
        "REDIS_CA": str(certificates.ca),
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"PLG_{name}", value)

    settings = read_settings()

    assert settings.kafka_options == {
        "bootstrap.servers": "localhost:9092",
        "log_level": "0",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "u",
        "sasl.password": "p",
        "ssl.ca.location": str(certificates.ca),
        "ssl.certificate.location": str(certificates.client),
        "ssl.key.location": str(certificates.client_key),
        "ssl.key.password": KEY_PASSWORD,
    }
    assert settings.redis_options == {"password": "q", "ssl_ca_certs": str(certificates.ca)}
    context = settings.kafka_tls.context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
