"""The environments of the peers: pinned, made once, made anew when the pins change, and missed loudly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.environments import PEERS, Peer, PeerMissing

_PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_package_of_a_peer_has_a_version_and_a_hash_and_no_address(peer: Peer) -> None:
    text = (_PEERS / peer.name / "requirements.txt").read_text(encoding="utf-8").strip()
    entries = re.split(r"\n(?=\S)", text)

    assert [entry for entry in entries if not re.match(r"[A-Za-z0-9._-]+==\S+", entry)] == []
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []
    assert "://" not in text


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_locked_in_the_version_that_was_asked_for(peer: Peer) -> None:
    asked = (_PEERS / peer.name / "requirements.in").read_text(encoding="utf-8")

    assert re.search(rf"^{peer.package}(\[\w+\])?=={re.escape(peer.version)}$", asked, re.MULTILINE)


def test_a_peer_that_cannot_be_installed_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.environments._ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.environments._CACHE", tmp_path)
    (tmp_path / "benchmarks" / "peers" / "nothing").mkdir(parents=True)
    requirements = tmp_path / "benchmarks" / "peers" / "nothing" / "requirements.txt"
    requirements.write_text(f"nothing==1.0 --hash=sha256:{64 * '0'}\n")
    # As on a machine without a network.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    peer, said = Peer("nothing", "nothing", "Nothing"), list[str]()

    with pytest.raises(PeerMissing, match=r"Nothing 1\.0 cannot be installed"):
        peer.install(said.append)

    assert said == ["installing Nothing 1.0 for the comparison, once"]
    assert not peer.is_installed


def test_a_change_of_the_requirements_makes_an_environment_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.environments._ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.environments._CACHE", tmp_path)
    (tmp_path / "benchmarks" / "peers" / "empty").mkdir(parents=True)
    requirements = tmp_path / "benchmarks" / "peers" / "empty" / "requirements.txt"
    requirements.write_text("# empty==1.0\nempty==1.0\n")
    peer = Peer("empty", "empty", "Empty")
    monkeypatch.setattr(Peer, "_run", lambda _peer, _command: (tmp_path / "empty").mkdir(exist_ok=True))

    peer.install(lambda _text: None)
    was_installed = peer.is_installed
    requirements.write_text("empty==1.1\n")

    assert was_installed
    assert not peer.is_installed
