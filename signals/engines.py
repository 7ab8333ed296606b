"""The engines by the hashes that ticks name: which rules were in force at each place of a log (docs/adr/0015)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from signals.compiled import Engine
from signals.config import Config
from signals.domains import Domains
from signals.errors import PlgError
from signals.product import DomainLists

# Logs name one after the other; a few partitions that lag behind may still be at an earlier one.
_COMPILED = 16
# The lists of domains take 200 times as long to read as an engine to make, and are seldom changed.
_LISTS = 3


class UnknownConfig(PlgError):
    """A log names a config that nobody can show; the text says which and what to do."""


class Engines:
    """
    Compiles what ticks name, when it is asked for.

    Args:
        start: What is in force before a log names any config.
        windows: The lengths of the rings that workspaces keep.
        find: Finds a config by its hash; None where there is none.
        domains: The lists of domains with the additions of `start`, where they are read already.
    """

    def __init__(
        self,
        start: Config,
        windows: Iterable[int] = (),
        find: Callable[[str], Config | None] = lambda _: None,
        domains: Domains | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self._find = find
        self._domains: OrderedDict[DomainLists, Domains] = OrderedDict()
        if domains is not None:
            self._domains[start.domains] = domains
        self._compiled: OrderedDict[str, Engine] = OrderedDict()
        self.start = self.compiled(start)

    def of(self, name: str) -> Engine:
        """
        The engine of a hash, `start` for the empty one.

        Raises:
            UnknownConfig: There is no such config.
        """
        if not name or name == self.start.hash:
            return self.start
        engine = self._compiled.get(name)
        if engine is None:
            config = self._find(name)
            if config is None:
                raise UnknownConfig(f"a tick names the config {name}, and it is not among those known")
            engine = self._keep(name, self.compiled(config, name))
        return engine

    def compiled(self, config: Config, name: str | None = None) -> Engine:
        """Make the engine of a config; configs with the same lists of domains share them."""
        domains = self._domains.get(config.domains)
        if domains is None:
            domains = self._domains[config.domains] = Domains(config.domains)
            while len(self._domains) > _LISTS:
                self._domains.popitem(last=False)
        return Engine(config, domains, self._windows, name)

    def prepare(self, name: str, engine: Engine) -> None:
        """Keep an engine that was made ahead, so that nobody waits for it later."""
        self._keep(name, engine)

    def _keep(self, name: str, engine: Engine) -> Engine:
        self._compiled[name] = engine
        while len(self._compiled) > _COMPILED:
            self._compiled.popitem(last=False)
        return engine
