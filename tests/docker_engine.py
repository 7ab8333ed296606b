"""Docker for the tests: whether there is an engine, and its errors as one of ours."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER_LIMIT_S = 5


class ServerMissingError(Exception):
    """One way to a server is closed on this machine; the text says why, and the next way is tried."""


def require_docker() -> None:
    """
    Go on only where a Docker engine answers.

    Raises:
        ServerMissingError: None does.
    """
    if not _docker_answers():
        raise ServerMissingError("no Docker engine answers")


@contextlib.contextmanager
def docker_errors() -> Iterator[None]:
    """Turn what goes wrong in Docker, such as an image that cannot be had, into ServerMissingError."""
    docker = importlib.import_module("docker")
    try:
        yield
    except (docker.errors.DockerException, OSError) as error:
        raise ServerMissingError(str(error).splitlines()[0][:200]) from error


@functools.cache
def _docker_answers() -> bool:
    docker = importlib.import_module("docker")
    answers = True
    with warnings.catch_warnings():
        # Its client leaves the socket open when nobody answers; collected here, it fails no test that comes later.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            docker.from_env(timeout=_ANSWER_LIMIT_S).close()
        except docker.errors.DockerException:
            answers = False
        gc.collect()
    return answers
