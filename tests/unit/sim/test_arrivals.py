"""Arrivals: seeded, at the rate that was asked for, every run once before any twice."""

import gzip
from random import Random

import pytest

from wattline.sim import arrivals
from wattline.sim.generate import generate
from wattline.sim.recording import Recording, Session, TraceError

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:{minute:02d}:00.0000000,1,1\n" for minute in range(60)
)
MOONCAKE = "".join(f'{{"timestamp": {second * 1000}, "input_length": 1}}\n' for second in range(0, 3600, 30))
SERVEGEN = "category,workload,client_chunk,start_s,rate_rps\n" + "".join(
    f"language,m,{client},{start},{1 + start // 600 % 2}\n"
    for client in (0, 1)
    for start in range(0, 36000, 600)
)


@pytest.mark.parametrize("rate", [0.01, 0.2])
@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv.gz", AZURE), ("m.jsonl", MOONCAKE), ("s.csv", SERVEGEN)],
)
def test_recorded_arrivals_are_scaled_to_the_rate(tmp_path, name, text, rate):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    moments = arrivals.recorded(path, rate, 10.0, Random(1))

    assert moments == sorted(moments)
    assert len(moments) == pytest.approx(rate * 36000, rel=0.15)
    assert moments[-1] < 36000


def test_without_a_rate_moments_stand_as_recorded(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_text(MOONCAKE)

    assert arrivals.recorded(path, None, 0.5, Random(1)) == [float(second) for second in range(0, 1800, 30)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "a,b\n1,2\n", "not a known arrival trace"),
        ("x.csv", "TIMESTAMP\nyesterday\n", "expected a TIMESTAMP"),
        ("x.jsonl", "{}\n", "x.jsonl:1: expected a timestamp"),
        ("x.jsonl", "nonsense\n", "x.jsonl:1: not JSON"),
    ],
)
def test_what_is_wrong_with_arrivals_is_said(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(TraceError, match=said):
        arrivals.recorded(path, 1.0, 1.0, Random(1))


def test_a_rate_that_moves_in_steps_is_followed():
    moments = arrivals.stepped([(0.0, 1.0), (1800.0, 0.1)], 1.0, Random(1))

    assert sum(at < 1800 for at in moments) == pytest.approx(1800, rel=0.1)
    assert sum(at >= 1800 for at in moments) == pytest.approx(180, rel=0.25)


def test_every_run_comes_once_before_any_comes_twice():
    made = arrivals.schedule(generate(10, 1), [float(at) for at in range(20)], Random(2))
    names = [arrival.run.id.partition("#")[0] for arrival in made]

    assert sorted(names[:10]) == sorted(names[10:])
    assert names[:10] != names[10:]
    assert len({arrival.run.id for arrival in made}) == 20


def test_a_session_of_several_runs_takes_as_many_arrivals():
    one, two = generate(2, 1).runs
    recording = Recording((Session((one, two), (0.0, 7.0)),))
    made = arrivals.schedule(recording, [0.0, 1.0, 5000.0, 9000.0, 20000.0], Random(1))

    assert [arrival.at_seconds for arrival in made if arrival.run.id.startswith(one.id)] == [
        0.0,
        5000.0,
        20000.0,
    ]
    tools = sum(turn.gap_seconds for turn in one.turns)
    assert made[1].at_seconds == pytest.approx(7.0 + tools)
