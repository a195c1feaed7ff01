"""The counters of a server in the formats of Prometheus.

Labels have values from bounded sets alone: routes and not paths, data sources that are or were there and not what a
caller writes. Past `_MOST_DATA_SOURCES`, the rows of further data sources are counted together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from stonechat.telemetry.counters import BUCKETS, Durations
from stonechat.telemetry.recorder import Telemetry

_K = TypeVar("_K")
_V = TypeVar("_V")
_Items = Iterable[tuple[tuple[str, ...], _V]]
Reading = Callable[[], float]
_MOST_DATA_SOURCES = 500
_OTHER = "other"
_BOUNDS = [*map(str, BUCKETS), "+Inf"]


@dataclass(frozen=True, slots=True)
class Readings:
    """What other parts of the server are asked for at each scrape: name -> help and a function, which any thread may
    call and which takes no time. Names and help are without `stonechat_` and the point at the end.
    """

    counters: Mapping[str, tuple[str, Reading]] = field(default_factory=dict)
    gauges: Mapping[str, tuple[str, Reading]] = field(default_factory=dict)


class Metrics:
    """All metrics of a server."""

    def __init__(self, telemetry: Telemetry, readings: Readings) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Counters(telemetry, readings))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The metrics as text, in the newest format that `accept`, a header, asks for, and that format's media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


class _Counters(Collector):
    def __init__(self, telemetry: Telemetry, readings: Readings) -> None:
        self._telemetry = telemetry
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        """Every metric but those of the process."""
        yield from _requests(self._telemetry)
        yield from _rows(self._telemetry)
        jobs = [((kind, status), number) for (kind, status), number in _now(self._telemetry.jobs)]
        yield _counter("jobs", "Jobs by kind that came to a status.", ("kind", "status"), jobs)
        events = self._telemetry.queue
        fates = [(("written",), events.written), (("dropped",), events.dropped)]
        yield _counter("telemetry_events", "Rows for the service data sources by what became of them.", ("to",), fates)
        for name, (text, reading) in self._readings.counters.items():
            yield _counter(name, f"{text}.", (), [((), reading())])
        for name, (text, reading) in self._readings.gauges.items():
            gauge = GaugeMetricFamily(f"stonechat_{name}", f"{text}.")
            gauge.add_metric((), reading())
            yield gauge


def _requests(telemetry: Telemetry) -> Iterator[Metric]:
    counted = [((route, method, str(status)), n) for (route, method, status), n in _now(telemetry.requests.by_status)]
    yield _counter("requests", "Requests by route, method and status.", ("route", "method", "status"), counted)
    durations = [((route,), item) for route, item in _now(telemetry.requests.durations)]
    yield _histogram("request_seconds", "Seconds that requests took, by route.", ("route",), durations)
    answers = [((status,), number) for status, number in _now(telemetry.answers)]
    yield _counter("answers", "Answers of endpoints and statements by their X-Cache.", ("cache",), answers)
    yield _histogram(
        "query_seconds",
        "Seconds that the engine took for queries of endpoints and statements.",
        (),
        [((), telemetry.queries)],
    )


def _rows(telemetry: Telemetry) -> Iterator[Metric]:
    requests: dict[tuple[str, ...], float] = defaultdict(float)
    sizes: dict[tuple[str, ...], float] = defaultdict(float)
    rows: dict[tuple[str, ...], float] = defaultdict(float)
    known: set[tuple[str, str]] = set()

    def place(workspace: str, data_source: str) -> tuple[str, str]:
        key = (workspace, data_source)
        if key not in known and len(known) >= _MOST_DATA_SOURCES:
            return (_OTHER, _OTHER)
        known.add(key)
        return key

    for taken in telemetry.events.all():
        where = place(taken.subject.workspace.name, taken.subject.name)
        requests[(*where, "taken")] += taken.requests - taken.errors
        requests[(*where, "failed")] += taken.errors
        sizes[where] += taken.bytes
        rows[(*where, "append-hfi", "written")] += taken.rows
        rows[(*where, "append-hfi", "quarantined")] += taken.quarantined
    for (subject, operation, fate), number in _now(telemetry.operations):
        rows[(*place(subject.workspace.name, subject.name), operation, fate)] += number
    labels = ("workspace", "data_source")
    yield _counter("events_requests", "Requests to the Events API.", (*labels, "result"), requests.items())
    yield _counter("events_bytes", "Bytes of events taken, decompressed.", labels, sizes.items())
    yield _counter("rows", "Rows by the operation that brought them.", (*labels, "operation", "to"), rows.items())


def _counter(name: str, text: str, labels: tuple[str, ...], values: _Items[float]) -> Metric:
    family = CounterMetricFamily(f"stonechat_{name}", text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, labels: tuple[str, ...], values: _Items[Durations]) -> Metric:
    family = HistogramMetricFamily(f"stonechat_{name}", text, labels=labels)
    for key, durations in values:
        family.add_metric(key, list(zip(_BOUNDS, accumulate(durations.counts), strict=True)), durations.sum)
    return family


def _now(values: Mapping[_K, _V]) -> Iterable[tuple[_K, _V]]:
    """What a mapping holds now: another thread may add to it meanwhile."""
    return list(values.items())
