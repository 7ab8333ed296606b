"""`plg.config` and the file that leads to it: which config is the newest, which must not follow, and what is said."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from signals.config import Config
from signals.errors import ConfigError
from streams import config_compared, config_source
from streams import configs as configs_module
from streams.config_log import ConfigLog, first_of, record_of, recorded
from streams.config_source import ConfigSource, load_config, moved
from streams.config_watch import ConfigWatch, Seen, changed_at, look_at
from streams.configs import Configs, NotReloadable, is_later, is_same, publish_now, require_reloadable
from streams.settings import Settings

LARGE: dict[str, Any] = {
    "policy": {"quiet_hours": {"start": "20:00", "end": "08:00"}, "assume_activated_before": "2026-01-01"},
    "custom": {"wait": {"rule": "absence", "after": ["Begun"], "without": ["Done"], "for": "36h"}},
    "signals": {"multi_user": {"active_users": 7}, "usage_limit": {"levels": [0.1]}},
}


def users(count: int) -> Config:
    return Config.model_validate({"signals": {"multi_user": {"active_users": count}}})


def log_of(*configs: tuple[Config, int], first: Config | None = None) -> ConfigLog:
    log = ConfigLog()
    log.take(*first_of(first or configs[0][0]))
    for config, changed in configs:
        log.take(*record_of(config, changed))
    return log


def test_config_comes_back_from_the_topic_as_it_was() -> None:
    config = Config.model_validate(LARGE)

    log = log_of((config, 1))

    assert log.find(config.hash) == config
    assert (log.first and log.first.config, log.windows) == (config.hash, (7, 14))
    assert log.find("another") is None


def test_config_whose_file_changed_last_is_the_newest_in_whatever_order_workers_publish() -> None:
    records = [record_of(users(count), 10 * count) for count in (4, 5, 6, 7)]
    rng = random.Random(3)
    for _ in range(20):
        rng.shuffle(records)
        log = ConfigLog()
        for key, value in records:
            log.take(key, value)
        assert log.newest is not None
        assert log.newest.hash == users(7).hash


def test_going_back_to_an_old_config_is_a_change_and_an_old_file_is_none() -> None:
    log = log_of((users(4), 10), (users(5), 20))

    assert is_later(log, users(4), 30)
    assert not is_later(log, users(4), 10)
    log.take(*record_of(users(4), 30))
    assert log.current() == users(4)


def test_what_nobody_of_us_wrote_changes_nothing() -> None:
    log = log_of((users(4), 10))

    for key, value in ((b"x", b"no json"), (None, None), (b"\xff", b"{}"), (b"first", b"[]")):
        assert log.take(key, value) is None

    assert log.current() == users(4)


def test_config_of_another_version_is_named_with_what_is_not_known() -> None:
    log = log_of((users(4), 10))
    log.take(b"0123456789ab", msgspec.json.encode({"config": {"sponsors": 1}, "changed_at": 20}))

    with pytest.raises(ConfigError, match=r"0123456789ab of the logs is of another version.*sponsors"):
        log.find("0123456789ab")
    assert not is_same(log, users(4))


def test_recording_of_the_topic_is_read_as_the_topic_is() -> None:
    records = [first_of(users(4)), record_of(users(4), 10)]
    lines = [msgspec.json.encode({"key": key.decode(), "value": msgspec.Raw(value)}) for key, value in records]

    assert recorded(lines).find(users(4).hash) == users(4)
    with pytest.raises(ConfigError, match="line 1 is no recorded config"):
        recorded([b"{}"])


def test_states_go_on_with_another_threshold_and_topic_and_not_in_another_time_zone() -> None:
    log = log_of((users(4), 10))

    require_reloadable(log, users(5))
    require_reloadable(log, users(4).model_copy(update={"source": Config().source}))
    # A path that was wrong is put right before its dead letters are redriven.
    require_reloadable(log, Config.model_validate({"identity": {"user_id": ["user.id"]}}))
    with pytest.raises(NotReloadable, match=r"time_zone: was UTC, is Europe/Berlin\nput them back, or"):
        require_reloadable(log, Config.model_validate({"time_zone": "Europe/Berlin"}))


class Published:
    """A worker's configs, whose broker takes everything at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, changed: int = 10) -> None:
        self.start = users(4)
        self.configs = Configs(self.start, Settings(), log_of((self.start, changed)), 0)
        monkeypatch.setattr(configs_module, "publish", lambda _topic, _settings, records: self._take(records))

    def _take(self, records: list[tuple[bytes, bytes]]) -> None:
        for key, value in records:
            self.configs.take(key, value)

    def save(self, text: str, path: Path, at: int = 20) -> list[str]:
        """Save the file; returns what the log says."""
        path.write_text(text)
        with structlog.testing.capture_logs() as said:
            self.configs.consider(Seen(text.encode(), at), lambda: load_config(path))
        return [line["event"] for line in said]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Nobody is writing it; what waits for that would sleep.
    monkeypatch.setattr(config_source, "look_at_start", look_at)
    return tmp_path / "plg.yaml"


def test_valid_edit_is_published_and_becomes_the_newest(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    worker, told = Published(monkeypatch), list[Config]()
    worker.configs.on_newest = told.append

    said = worker.save("signals: {multi_user: {active_users: 6}}", path)

    assert said == ["config.newest", "config.published"]
    assert worker.configs.newest == users(6).hash
    assert told == [users(6)]
    assert worker.configs.engine_of(users(6).hash).config == users(6)
    assert (worker.configs.outcomes, worker.configs.problem) == ({"applied": 1}, "")


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("signals: [", "config.invalid"),
        ("signals: {multi_user: {active_users: none}}", "config.invalid"),
        ("time_zone: Europe/Berlin", "config.not_reloadable"),
        ("source: {topics: [others]}", "config.not_reloadable"),
        ("signals: {seat_growth: {window: 28d}}", "config.not_reloadable"),
    ],
)
def test_bad_edit_leaves_the_last_good_one_and_says_so(
    monkeypatch: pytest.MonkeyPatch, path: Path, text: str, event: str
) -> None:
    worker = Published(monkeypatch)

    said = worker.save(text, path)

    assert said == [event]
    assert worker.configs.newest == users(4).hash
    outcome = "refused" if event == "config.not_reloadable" else "invalid"
    assert (worker.configs.outcomes, worker.configs.problem) == ({outcome: 1}, event.removeprefix("config."))
    # What is put right is right, without having been published.
    assert worker.save("signals: {multi_user: {active_users: 4}}", path) == ["config.same"]
    assert worker.configs.problem == ""


def test_file_that_changed_before_another_workers_file_does_not_count(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    worker = Published(monkeypatch, changed=30)

    assert worker.save("signals: {multi_user: {active_users: 6}}", path, at=29) == ["config.older"]
    assert worker.configs.newest == users(4).hash


def test_file_that_was_older_is_well_once_somebody_puts_its_config_in_force(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    worker = Published(monkeypatch, changed=30)
    worker.save("signals: {multi_user: {active_users: 6}}", path, at=29)
    assert worker.configs.problem == "older"

    worker.configs.take(*record_of(users(5), 31))
    assert worker.configs.problem == "older"
    worker.configs.take(*record_of(users(6), 32))

    assert (worker.configs.newest, worker.configs.problem) == (users(6).hash, "")


@pytest.mark.parametrize("is_seen_last", [False, True])
def test_file_saved_again_counts_from_then_whoever_is_seen_first(
    monkeypatch: pytest.MonkeyPatch, path: Path, *, is_seen_last: bool
) -> None:
    worker, told = Published(monkeypatch), list[Config]()
    worker.configs.on_newest = told.append
    # Saved at 20 where a worker was down, and at 30 here.
    elsewhere = record_of(users(6), 20)

    if not is_seen_last:
        worker.configs.take(*elsewhere)
    worker.save("signals: {multi_user: {active_users: 4}}", path, at=30)
    if is_seen_last:
        worker.configs.take(*elsewhere)

    assert worker.configs.newest == users(4).hash
    assert worker.save("signals: {multi_user: {active_users: 4}}", path, at=31) == ["config.same"]
    assert told == ([] if is_seen_last else [users(6), users(4)])


def test_what_counts_is_what_was_seen_and_not_what_the_file_becomes_meanwhile(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    path.write_text("signals: {multi_user: {active_users: 4}}")
    source, worker = ConfigSource(path), Published(monkeypatch)
    seen = Seen(b"signals: {multi_user: {active_users: 6}}", 20)
    # Somebody begins to write it in place: of a file just cut off a worker would read all defaults.
    path.write_bytes(b"")

    worker.configs.consider(seen, lambda: source.read(seen))

    assert worker.configs.newest == users(6).hash
    assert source.read() == users(4)


@pytest.mark.parametrize("content", [b"", b" \n", None])
def test_file_that_is_emptied_or_gone_does_not_mean_all_defaults(
    monkeypatch: pytest.MonkeyPatch, path: Path, content: bytes | None
) -> None:
    path.write_text("")
    source, worker = ConfigSource(path), Published(monkeypatch)
    assert source.read() == Config()
    path.unlink()

    worker.configs.consider(Seen(content, 20), lambda: source.read(Seen(content, 20)))

    assert (worker.configs.newest, worker.configs.problem) == (users(4).hash, "invalid")


def test_file_that_comes_back_while_it_is_missed_waits_for_the_next_look(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    path.write_text("signals: {multi_user: {active_users: 4}}")
    source, worker = ConfigSource(path), Published(monkeypatch)
    path.write_text("signals: {multi_user: {active_users: 6}}")

    worker.configs.consider(Seen(None, 0), lambda: source.read(Seen(None, 0)))
    assert (worker.configs.newest, worker.configs.problem) == (users(4).hash, "invalid")

    worker.configs.consider(look_at(path), lambda: source.read(look_at(path)))
    assert (worker.configs.newest, worker.configs.problem) == (users(6).hash, "")


def test_of_workers_that_begin_together_the_first_record_counts_for_all() -> None:
    log = log_of((users(4), 10), first=users(4))

    log.take(*first_of(users(5)))

    assert (log.first and log.first.config) == users(4).hash


def test_file_too_large_for_a_config_is_not_read_to_its_end(path: Path) -> None:
    path.write_bytes(b"#" * 1_000_000)

    content = look_at(path).content

    assert len(content or b"") < 300_000
    with pytest.raises(ConfigError, match="is larger than 256 kB"):
        ConfigSource(path).read()


def test_where_events_move_time_nothing_is_published_or_called_live(monkeypatch: pytest.MonkeyPatch) -> None:
    by_events = Config.model_validate({"clock": "events"})
    edited = Config.model_validate({"clock": "events", "signals": {"multi_user": {"active_users": 4}}})
    monkeypatch.setattr(config_compared, "require_broker", lambda _settings: None)
    monkeypatch.setattr(config_compared, "read_config_log", lambda *_: (log_of((by_events, 10)), 2))

    compared = config_compared.compare_with_running(edited, Settings())

    assert compared.lines()[0] == "signals.multi_user.active_users: 5 -> 4: takes a restart of the workers"
    assert not compared.is_reloadable
    with pytest.raises(NotReloadable, match=r"clock: events: .* restart them"):
        publish_now(edited, Settings())


def test_config_that_no_record_has_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def fail_stop(event: str, **fields: object) -> None:
        ended.append(f"{event} {fields['config']}")
        raise SystemExit

    monkeypatch.setattr(configs_module, "fail_stop", fail_stop)
    configs = Configs(Config(), Settings(session_timeout_s=0.03), ConfigLog(), 0)

    with pytest.raises(SystemExit):
        configs.engine_of("0123456789ab")
    assert ended == ["config.unknown 0123456789ab"]


def test_before_a_log_names_a_config_the_first_of_the_prefix_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_of((users(4), 10), (users(6), 20))

    assert Configs(users(6), Settings(), log, 0).engine_of("").config == users(4)
    by_events = users(6).model_copy(update={"clock": Config.model_validate({"clock": "events"}).clock})
    assert Configs(by_events, Settings(), log, 0).engine_of("").config == by_events


def test_every_way_of_saving_is_seen_once_and_only_when_the_file_stands_still(path: Path) -> None:
    path.write_text("a: 1")
    seen: list[bytes | None] = []
    watch = ConfigWatch(path, look_at(path), lambda found: seen.append(found.content))

    def looks(count: int) -> list[bytes | None]:
        seen.clear()
        for _ in range(count):
            watch.look()
        return list(seen)

    assert looks(3) == []
    path.write_text("a: 2")
    assert looks(1) == []
    assert looks(3) == [b"a: 2"]
    new = path.with_name("new")
    new.write_text("a: 3")
    new.replace(path)
    assert looks(3) == [b"a: 3"]
    for version in ("4", "5"):
        folder = path.with_name(f"..{version}")
        folder.mkdir()
        (folder / path.name).write_text(f"a: {version}")
        link = path.with_name("..tmp")
        link.symlink_to(folder.name)
        link.replace(path.with_name("..data"))
        if not path.is_symlink():
            path.unlink()
            path.symlink_to(f"..data/{path.name}")
        assert looks(3) == [f"a: {version}".encode()]
    path.unlink()
    assert looks(3) == [None]


def test_old_file_that_is_moved_here_has_changed_now(path: Path) -> None:
    path.write_text("a: 1")
    before = changed_at(path)
    old = path.with_name("old")
    old.write_text("a: 0")
    os.utime(old, (0, 0))
    old.replace(path)

    assert changed_at(path) >= before > 1_000_000_000_000
    assert changed_at(path.with_name("nobody")) == 0


def test_trouble_with_a_change_does_not_end_the_watching(path: Path) -> None:
    path.write_text("a: 1")

    def fail(_seen: Seen) -> None:
        raise RuntimeError

    watch = ConfigWatch(path, Seen(None, 0), fail)
    with structlog.testing.capture_logs() as said:
        watch.look()
        watch.look()

    assert [line["event"] for line in said] == ["config.watch_failed"]


def test_shadow_has_a_prefix_and_a_start_of_its_own(path: Path) -> None:
    path.write_text("signals: {multi_user: {active_users: 6}}")

    config = ConfigSource(path, "shadow", "earliest").read()

    assert (config.prefix, config.source.start) == ("shadow", "earliest")
    assert config.signals == users(6).signals
    with pytest.raises(ConfigError, match=r"prefix: must be"):
        moved(config, "Not A Prefix")
