"""A bench record becomes figures by name: of the execution, of the whole pipeline, and after load; and lines for people."""

import pytest

from edgec.artifacts.benched import timings, told, told_figures
from edgec.artifacts.quantity import span


def times(p50):
    return {"min": p50 / 2, "p50": p50, "p90": 1.2 * p50, "p95": 1.3 * p50, "p99": 2 * p50, "max": 3 * p50, "mean": p50}


def whole(pre, execute, post):
    parts = {"pre_s": times(pre), "execute_s": times(execute), "post_s": times(post), "total_s": times(pre + execute + post)}
    return {"inputs": "pictures", "samples": 64, "throughput_hz": 90.0, **parts}


BENCH = {
    "samples": 256,
    "threads": 2,
    "latency_s": times(0.008),
    "latency_interval_s": {"p50": [0.007, 0.009]},
    "throughput_hz": 120.0,
    "load_s": 0.01,
    "peak_rss_bytes": 3e7,
    "pipeline": whole(0.001, 0.01, 0.0005),
    "sustained": [
        {
            "after_s": 600, "window_s": 60, "samples": 700, "throttling": 1.25, "execute_s": times(0.0125),
            "total_s": times(0.014), "total_interval_s": {"p90": [0.016, 0.018]}, "execute_hz": 80.0, "throughput_hz": 71.0,
        }
    ],
}  # fmt: skip


def test_every_part_has_its_figure():
    found = {item.name: item for item in timings(BENCH)}
    assert found["latency.p50"].value == 0.008 and found["latency.p50"].interval == (0.007, 0.009)
    assert found["throughput"].value == 120.0 and found["memory.rss"].unit == "bytes"
    assert found["latency.pre.p50"].value == 0.001 and found["latency.post.p50"].value == 0.0005
    assert found["latency.execute.p90"].value == pytest.approx(0.012)
    assert found["latency.pipeline.p50"].value == pytest.approx(0.0115) and found["latency.pipeline.p50"].samples == 64
    assert found["throughput.pipeline"].value == 90.0


def test_figures_after_a_load_name_it():
    found = {item.name: item for item in timings(BENCH)}
    assert found["latency.p50[after 10min]"].value == 0.0125
    assert found["latency.pipeline.p90[after 10min]"].interval == (0.016, 0.018)
    assert found["throughput[after 10min]"].value == 80.0
    assert found["throughput.pipeline[after 10min]"].value == 71.0
    assert found["throttling[after 10min]"].value == 1.25 and found["throttling[after 10min]"].samples == 700


def test_a_record_without_a_pipeline_has_only_the_execution():
    bare = {key: value for key, value in BENCH.items() if key not in ("pipeline", "sustained", "load_s")}
    assert {item.name.partition(".")[0] for item in timings(bare)} == {"latency", "throughput", "memory"}
    assert told(bare) == []


def test_people_are_told_of_parts_and_of_throttling():
    (word, line), (load, slower) = told(BENCH)
    assert word == "pipeline" and load == "after 10min"
    assert line.startswith("p50 11.5 ms") and "from pictures to JSON" in line and "pre 1 ms" in line and "p99" not in line
    assert "p99 28 ms" in slower and slower.endswith("+25.0 % against the start")


def test_a_builds_figures_tell_the_same():
    figures = [{"name": item.name, "value": item.value, "unit": item.unit, "evidence": "host"} for item in timings(BENCH)]
    lines = dict(told_figures([*figures, {"name": "accuracy.sqnr", "value": None, "unit": "", "evidence": "host"}]))
    assert lines["latency"] == "p50 8 ms, p90 9.6 ms, p99 16 ms"
    assert lines["pipeline"].endswith("(pre 1 ms, execute 10 ms, post 0.5 ms)")
    assert lines["after 10min"] == "p50 14 ms, p90 16.8 ms, p99 28 ms, +25.0 % against the start"


@pytest.mark.parametrize(
    ("seconds", "text"), [(2, "2s"), (0.5, "0.5s"), (60, "1min"), (90, "90s"), (600, "10min"), (7200, "2h")]
)
def test_a_load_is_written_in_its_largest_whole_unit(seconds, text):
    assert span(seconds) == text
