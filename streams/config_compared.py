"""An edited config held against the one in force: what changes, whether it may change live, and what else it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from signals.config import Clock, Config
from signals.reloading import Difference, Effort, efforts
from streams.config_log import read_config_log
from streams.configs import is_same
from streams.reach import require_broker
from streams.reading import reader, topic_ranges
from streams.settings import Settings
from streams.sources import source_topics
from streams.topics import Topics

_TAKES = {
    Effort.NONE: "live",
    Effort.RESTART: "takes a restart of the workers",
    Effort.REBUILD: "takes a rebuild",
}
_MAX_SHOWN = 60


@dataclass(frozen=True)
class Compared:
    """
    What a config would change.

    `in_force` is the hash of the newest config, empty where nothing has run under the prefix yet. `to_read` counts the
    records that a rebuild would read again, where one is needed.
    """

    in_force: str
    found: list[Difference]
    to_read: int = 0
    sources: tuple[str, ...] = ()

    @property
    def is_reloadable(self) -> bool:
        """Whether saving it is enough."""
        return all(one.effort is Effort.NONE for one in self.found)

    def lines(self) -> list[str]:
        """For people: a line a key, and what to do."""
        if not self.in_force:
            return ["nothing has run under this prefix yet: it may begin with any config"]
        if not self.found:
            return [f"the same as the config in force, {self.in_force}"]
        said = [f"{one.key}: {_shown(one.before)} -> {_shown(one.after)}: {_TAKES[one.effort]}" for one in self.found]
        needed = {one.effort for one in self.found}
        if Effort.REBUILD in needed:
            said.append(
                "not reloadable: the states were made by the old values. A rebuild is: stop the workers, "
                f"`plg topics reset`, start them. They read {self.to_read:,} records of {', '.join(self.sources)} "
                "again; what retention has deleted there is not counted again, and nobody hears of what happens until "
                "they have caught up. Or let a second prefix grow beside this one: `plg worker --prefix`"
            )
        elif Effort.RESTART in needed:
            said.append("not reloadable: save the file and restart the workers one by one; nothing is read again")
        else:
            said.append(f"reloadable: saved, it follows {self.in_force} within seconds")
        return said


def compare_with_running(config: Config, settings: Settings) -> Compared:
    """
    Hold a config against the newest one of its prefix.

    Raises:
        PlgError: The broker does not answer, or there are no topics.
    """
    require_broker(settings)
    known, _ = read_config_log(Topics(config.prefix, config.topics.partitions).config, settings)
    current = known.current()
    if current is None or known.newest is None:
        return Compared("", [])
    found = [] if is_same(known, config) else efforts(current, config, known.windows)
    if config.clock is Clock.EVENTS:
        # Nobody names configs there: each worker goes by the file that it had at its start.
        found = [replace(one, effort=Effort.RESTART) if one.effort is Effort.NONE else one for one in found]
    if all(one.effort is not Effort.REBUILD for one in found):
        return Compared(known.newest.hash, found)
    sources = source_topics(config, settings)
    return Compared(known.newest.hash, found, sum(_held(topic, settings) for topic in sources), sources)


def _held(topic: str, settings: Settings) -> int:
    with reader(settings) as consumer:
        starts, ends = topic_ranges(consumer, topic, settings)
        return sum(ends[start.partition] - start.offset for start in starts)


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."
