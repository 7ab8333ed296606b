"""Renders the metrics for Prometheus at the moment it asks; nothing is added to the work of an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from sinks.durations import Durations
from streams.metric import Kind, LabelValues, Metric, Values

T = TypeVar("T")


class Exposition(Generic[T]):
    """
    Renders metrics, with those of the process itself (memory, CPU, open files) where the system has them.

    Args:
        metrics: What to read.
        observe: Gives what they are read from, anew for each rendering.
    """

    def __init__(self, metrics: Sequence[Metric[T]], observe: Callable[[], T]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Reader(metrics, observe))
        ProcessCollector(registry=self._registry)

    def render(self) -> tuple[str, bytes]:
        """Read everything now; returns content type and text."""
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)


class _Reader(Collector, Generic[T]):
    def __init__(self, metrics: Sequence[Metric[T]], observe: Callable[[], T]) -> None:
        self._metrics = metrics
        self._observe = observe

    def collect(self) -> Iterator[Family]:
        observed = self._observe()
        for metric in self._metrics:
            yield _family(metric, metric.read(observed))


def _family(metric: Metric[T], values: Values) -> Family:
    by_labels = values.items() if isinstance(values, Mapping) else [((), values)]
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for names, found in by_labels:
            assert isinstance(found, Durations), metric.name
            histogram.add_metric(_texts(names), found.cumulated(), found.total_s)
        return histogram
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(metric.name, metric.meaning, labels=metric.labels)
    for names, value in by_labels:
        assert not isinstance(value, Durations), metric.name
        family.add_metric(_texts(names), value)
    return family


def _texts(names: LabelValues | tuple[()]) -> list[str]:
    return [str(name) for name in ((names,) if isinstance(names, str) else names)]
