"""Asks a health server over HTTP, and reads metrics as Prometheus would."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def request(address: str, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request; 0 while nobody listens."""
    with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        try:
            connection.request(method, path)
            answer = connection.getresponse()
        except ConnectionError:
            return 0, {}, b""
        return answer.status, dict(answer.getheaders()), answer.read()


def ready(address: str) -> tuple[int, dict[str, Any]]:
    status, _, body = request(address, "/ready")
    return status, json.loads(body or b"{}")


def samples(text: bytes) -> dict[str, dict[str, float]]:
    """Values by metric and by the value of its label, "" for none."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})["".join(sample.labels.values())] = sample.value
    return found


def metrics(address: str) -> dict[str, dict[str, float]]:
    return samples(request(address, "/metrics")[2])
