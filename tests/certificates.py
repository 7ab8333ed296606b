"""Certificates for one run of tests, made by `openssl`: an authority, a server on 127.0.0.1, a client, a stranger."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Of the client's key.
KEY_PASSWORD = "key-canary-5120"
# As Kafka calls who shows the client's certificate.
CLIENT_NAME = "CN=plg tests client"
_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


class CertificatesMissingError(Exception):
    """There is no `openssl` to make them, or it cannot; the text says why."""


@dataclass(frozen=True)
class Certificates:
    """PEM files. The server's certificate is for 127.0.0.1 and not for localhost, so that a wrong name can be tried."""

    ca: Path
    # An authority that signed nothing.
    other_ca: Path
    server: Path
    server_key: Path
    client: Path
    # Encrypted with `KEY_PASSWORD`.
    client_key: Path


def make_certificates(folder: Path) -> Certificates:
    """
    Make all of them in `folder`, valid for two days.

    Raises:
        CertificatesMissingError: No `openssl`, or one that refuses.
    """
    for name in ("ca", "other-ca"):
        _openssl(
            *["req", "-x509", *_EC, "-nodes", "-days", "2", "-subj", f"/CN=plg tests {name}"],
            *["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
            *["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")],
        )
    _signed(folder, "server", "subjectAltName=IP:127.0.0.1", ["-nodes"])
    _signed(folder, "client", "extendedKeyUsage=clientAuth", ["-passout", f"pass:{KEY_PASSWORD}"])
    return Certificates(
        ca=folder / "ca.pem",
        other_ca=folder / "other-ca.pem",
        server=folder / "server.pem",
        server_key=folder / "server.key",
        client=folder / "client.pem",
        client_key=folder / "client.key",
    )


def _signed(folder: Path, name: str, extension: str, protection: list[str]) -> None:
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(
        f"{extension}\nbasicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    _openssl(
        *["req", "-new", *_EC, *protection, "-subj", f"/CN=plg tests {name}"],
        *["-keyout", str(folder / f"{name}.key"), "-out", str(request)],
    )
    _openssl(
        *["x509", "-req", "-days", "2", "-in", str(request), "-extfile", str(extensions)],
        *["-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"],
        *["-out", str(folder / f"{name}.pem")],
    )


def _openssl(*arguments: str) -> None:
    if shutil.which("openssl") is None:
        raise CertificatesMissingError("no openssl on the PATH")
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CertificatesMissingError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-300:]}")
