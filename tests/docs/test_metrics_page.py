"""
docs/metrics.md is written from the catalogue of metrics.

After a change of the catalogue write it again: .venv/bin/python -m tests.docs.test_metrics_page
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from streams.metric_catalogue import FUNNEL, SINK, WORKER, Metric

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
AGAIN = ".venv/bin/python -m tests.docs.test_metrics_page"
HEAD = f"""# Metrics

What each process shows at `/metrics` of its [health server](operations.md#health), in the text format of Prometheus.
Written from `streams/metric_catalogue.py` by `{AGAIN}`.

- What is counted is counted per batch, output or checkpoint, and read when somebody asks; [RESULTS.md]\
(../benchmarks/RESULTS.md#metrics) says what share of an event's cost it is.
- Counters begin at 0 with the process; after a crash the records since the last checkpoint are counted again.
- A counter by a label begins at 0 for each value that is known beforehand, so that `increase` sees the first one.
- A histogram is stored as `..._bucket`, `..._sum` and `..._count`.
- On systems with `/proc` the usual `process_...` metrics (memory, CPU, open files, start time) come with it.

The dashboard [deploy/grafana/plg-signals.json](../deploy/grafana/plg-signals.json) shows them; \
[the alert rules](operations.md#alert-rules) watch them.
"""
PARTS: tuple[tuple[str, str, Sequence[Metric[Any]]], ...] = (
    ("Worker", "`plg worker`.", WORKER),
    ("Sink", "`plg sinks redis` and `plg sinks slack`.", SINK),
    ("Funnel", "`plg funnel run`; what each number means is in [funnel.md](funnel.md).", FUNNEL),
)


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for name, which, metrics in PARTS:
        yield f"## {name}\n\n{which}\n"
        yield "| metric | type | labels | meaning |\n|---|---|---|---|"
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.meaning} |"
        yield ""


def page() -> str:
    """The page as it is to be."""
    return "\n".join(lines()).rstrip() + "\n"


def test_the_page_is_that_of_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"write it again: {AGAIN}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
