"""Where the secrets of Slack may be sent: to Slack, over TLS, to no address that an answer names."""

from __future__ import annotations

import ssl
import urllib.request

import pytest
from pydantic import ValidationError

from signals.config import Config
from signals.config_warnings import warnings
from signals.domains import Domains
from signals.slack import Slack
from sinks.slack_http import _AsTheyCome, send
from tests.sinks.slack_server import REDIRECT, SlackScript, SlackServer


@pytest.mark.parametrize(
    "url",
    [
        "http://slack.com/api/",
        "http://169.254.169.254/",
        "http://10.0.0.7/api/",
        "http://[fd00::1]/api/",
        "http://[::ffff:127.0.0.1]/",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "https://user:pass@slack.com/api/",
        "https://slack.com@evil.example/api/",
        "https://slack.com/api/?x=/",
        "https://slack.com/api/#/",
        "https://slack.com:99999/api/",
        "https://slack.com:port/api/",
        "https:///api/",
        "https://slack.com\\@evil.example/",
        "https://slack.com/api/\r\nHost: evil.example/",
        "file:///etc/",
        "gopher://slack.com/",
        "//slack.com/api/",
    ],
)
@pytest.mark.parametrize("key", ["api_url", "webhook_base"])
def test_an_address_that_is_no_plain_https_address_is_refused(key: str, url: str) -> None:
    with pytest.raises(ValidationError):
        Slack.model_validate({key: url})


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_without_tls_only_this_machine_itself_is_an_address(host: str) -> None:
    assert Slack.model_validate({"api_url": f"http://{host}/api/"}).api_url == f"http://{host}/api/"


@pytest.mark.parametrize(
    ("key", "url"), [("api_url", "https://evil.example/api/"), ("webhook_base", "https://evil.example/")]
)
def test_an_address_that_is_not_slacks_is_a_warning(key: str, url: str) -> None:
    config = Config.model_validate({"slack": {key: url}})

    found = [warning for warning in warnings(config, Domains(config.domains)) if warning.key == ("slack", key)]

    assert [warning.problem for warning in found] == [
        "the secret and every alert go to evil.example, which is not Slack"
    ]
    assert config.slack.elsewhere == {key: "evil.example"}
    assert Config().slack.elsewhere == {}


def test_a_redirect_is_an_answer_and_no_second_request() -> None:
    script = SlackScript(lambda: 0.0)
    server = SlackServer(script)
    script.post_faults.append(REDIRECT)
    body = b'{"channel": "C0123456789", "blocks": []}'
    try:
        request = urllib.request.Request(f"{server.url}/api/chat.postMessage", data=body)
        request.add_header("Authorization", "Bearer xoxb-secret-canary")
        answer = send(request, 5.0)
    finally:
        server.stop()

    assert answer.status == 302
    assert script.requests == ["/api/chat.postMessage"]


def test_the_name_in_a_certificate_is_verified() -> None:
    """A name that leads elsewhere by DNS gets no secret: it cannot show Slack's certificate."""
    handlers = urllib.request.build_opener(_AsTheyCome).handlers
    [https] = [handler for handler in handlers if isinstance(handler, urllib.request.HTTPSHandler)]

    # None: that of the standard library, which is this one.
    assert https._context is None or https._context.verify_mode is ssl.CERT_REQUIRED  # type: ignore[attr-defined]
    default = ssl._create_default_https_context()
    assert (default.verify_mode, default.check_hostname) == (ssl.CERT_REQUIRED, True)
