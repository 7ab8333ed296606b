"""Secrets from files, as Docker and Kubernetes mount them: each secret `PLG_X` has a twin `PLG_X_FILE`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def secrets_from_files(
    variables: Iterable[str], environment: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """
    Read the twins that are set; one newline at the end of a file, as editors leave it, is not part of the secret.

    Args:
        variables: Names of variables that hold secrets, such as `PLG_KAFKA_PASSWORD`.
        environment: Where to look; an empty variable counts as not set.

    Returns:
        The secrets by variable, and what is wrong by variable. A text shows neither a secret nor the name of a file:
        somebody may have written the secret where its file belongs.
    """
    given = {name.upper(): value for name, value in environment.items() if value}
    secrets: dict[str, str] = {}
    problems: dict[str, str] = {}
    for variable in variables:
        twin = f"{variable}_FILE"
        if twin not in given:
            continue
        if variable in given:
            problems[variable] = f"{variable}: given twice, {twin} is set too; keep one of them"
            continue
        try:
            secret = _read(Path(given[twin]))
        except OSError as error:
            problems[variable] = f"{twin}: the file it names cannot be read: {error.strerror}"
        except ValueError:
            problems[variable] = f"{twin}: the file it names is not text in UTF-8"
        else:
            if secret:
                secrets[variable] = secret
            else:
                problems[variable] = f"{twin}: the file it names is empty"
    return secrets, problems


def _read(path: Path) -> str:
    text = path.read_bytes().decode("utf-8")
    return text.removesuffix("\n").removesuffix("\r")
