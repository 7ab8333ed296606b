"""
A seeded, deterministic small SaaS: Segment-spec events in the order of delivery, and the truth about every workspace.

It needs nothing of this project and nothing needs it: it stands in for the customer's event bus in `plg demo`, the
tests and the benchmarks. The same scenario gives the same bytes on any machine.
"""

from simulator.labels import Label, truth
from simulator.play import simulate
from simulator.scenario import Scenario

__all__ = ["Label", "Scenario", "simulate", "truth"]
