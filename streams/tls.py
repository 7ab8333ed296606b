"""The files of a TLS connection: whom to believe, and what to show of ourselves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True)
class TlsFiles:
    """
    PEM files of one connection.

    `ca` holds the certificates of the authorities to believe, None for those of the system; `cert` and `key` are our
    own for a server that asks for them.
    """

    ca: Path | None
    cert: Path | None
    key: Path | None
    key_password: SecretStr | None

    def context(self) -> ssl.SSLContext:
        """
        For a client that verifies the server's certificate and the name in it.

        Raises:
            OSError: A file is missing or unusable; `problems` says which.
        """
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert is not None:
            # Never None: OpenSSL would ask for the password on the terminal.
            context.load_cert_chain(self.cert, self.key, self.key_password_text)
        return context

    @property
    def key_password_text(self) -> str:
        """What opens the key; empty where it is not locked."""
        return "" if self.key_password is None else self.key_password.get_secret_value()

    def problems(self, prefix: str) -> list[str]:
        """
        Say what is wrong with the files, one line a problem, without their names or what is in them.

        Args:
            prefix: That of the variables, such as `PLG_KAFKA`.
        """
        found = [
            f"{prefix}_{name}: the file it names {reason}"
            for name, path in (("CA", self.ca), ("CERT", self.cert), ("KEY", self.key))
            if path is not None and (reason := _unreadable(path))
        ]
        if self.cert is not None and self.key is None:
            found.append(f"{prefix}_KEY: missing; {prefix}_CERT needs the private key it was made for")
        if self.key is not None and self.cert is None:
            found.append(f"{prefix}_CERT: missing; {prefix}_KEY is of use only with its certificate")
        if self.key_password is not None and self.key is None:
            found.append(f"{prefix}_KEY_PASSWORD: {prefix}_KEY, which it would open, is missing")
        return found or self._unusable(prefix)

    def _unusable(self, prefix: str) -> list[str]:
        try:
            TlsFiles(self.ca, None, None, None).context()
        except OSError:
            return [f"{prefix}_CA: the file it names holds no certificate; it must be PEM"]
        try:
            self.context()
        except OSError:
            rule = f"both must be PEM and belong together, and a locked key needs its {prefix}_KEY_PASSWORD"
            return [f"{prefix}_KEY: cannot be used with {prefix}_CERT: {rule}"]
        return []


def _unreadable(path: Path) -> str:
    """Why a file cannot be read; empty if it can."""
    try:
        path.open("rb").close()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return "cannot be read: no name of a file"
    return ""
