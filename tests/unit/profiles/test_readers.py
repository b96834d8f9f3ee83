"""Files of measurements are read whole, or refused with file, line and remedy."""

import gzip
import json

import pytest

from wattline.profiles.points import ProfileError, Subject
from wattline.profiles.readers import Given, load

PLAIN = """\
model,gpu,gpus,clockMhz,batch,promptTokens,outputTokens,watts,itlSeconds,tokensPerSecond
m,h100,1,1410,8,500,200,410,0.012,640
m,h100,1,1980,64,500,200,560,0.02,3000
"""
MLENERGY = """\
model_id,task,gpu_model,num_gpus,max_num_seqs,avg_batch_size,avg_output_len,avg_power_watts,median_itl_ms,output_throughput_tokens_per_sec
m,lm-arena-chat,H100,4,32,31.5,600,2000,21.5,1500
m,lm-arena-chat,B200,4,32,31.5,600,2000,21.5,1500
m,image-chat,H100,4,32,31.5,600,2000,21.5,1500
s,text-to-image,H100,1,,,,500,,
"""
VLLM = {
    "model_id": "m", "completed": 200, "max_concurrency": 16, "total_input_tokens": 100_000, "total_output_tokens": 40_000,
    "output_throughput": 1300.0, "mean_tpot_ms": 12.0, "median_itl_ms": 11.5, "median_ttft_ms": 80.0,
    "watts": "455", "product": "h100", "gpus": "1", "clock_mhz": "1410",
}  # fmt: skip
AIPERF = """\
Metric,avg,min,max,p1,p50,std
Input Sequence Length (tokens),550.00,550.00,550.00,550.00,550.00,0.00
Inter Token Latency (ms),12.50,12.00,13.00,12.00,12.40,0.10
Output Sequence Length (tokens),242.97,193.00,247.00,193.00,247.00,9.42
Time to First Token (ms),90.00,60.00,120.00,61.00,88.00,9.00

Metric,Value
Output Token Throughput (tokens/sec),2320.00
Request Count,89.00


Endpoint,GPU_Index,GPU_Name,GPU_UUID,Metric,avg,min,max,p1,p50,std
localhost:9401,0,NVIDIA H100 80GB HBM3,GPU-1,GPU Power Usage (W),500.00,400,600,400,500,1
localhost:9401,0,NVIDIA H100 80GB HBM3,GPU-1,GPU Utilization (%),99.00,99,99,99,99,0
localhost:9401,1,NVIDIA H100 80GB HBM3,GPU-2,GPU Power Usage (W),520.00,400,600,400,500,1
"""


def read(tmp_path, text, name="m.csv", **given):
    path = tmp_path / name
    path.write_text(text)
    return load([path], Given(**given))


def refused(tmp_path, text, name="m.csv", **given):
    with pytest.raises(ProfileError) as caught:
        read(tmp_path, text, name, **given)
    return str(caught.value).replace(str(tmp_path / name), name)


def test_the_plain_table(tmp_path):
    first, second = read(tmp_path, PLAIN).points
    assert first.subject == Subject("m", "h100", 1)
    assert (first.clock_mhz, first.sequences, first.watts, first.ttft_seconds) == (1410, 8, 410, None)
    assert second.place.endswith("m.csv:3")


def test_context_alone_is_a_batch_that_only_decodes(tmp_path):
    (point,) = read(tmp_path, "model,gpu,gpus,batch,contextTokens,watts\nm,h100,1,8,4000,410\n").points
    assert point.service.context_tokens == 4000
    assert point.prompt_tokens == 0


def test_context_beside_prompt_and_answer_is_what_the_cache_held(tmp_path):
    text = "model,gpu,gpus,batch,contextTokens,promptTokens,outputTokens,watts\nm,h100,1,8,4000,500,200,410\n"
    (point,) = read(tmp_path, text).points
    assert point.cached_tokens == 3400
    assert point.service.context_tokens == 4000


def test_rows_of_ml_energy_are_of_one_gpu_and_others_are_counted(tmp_path):
    reading = read(tmp_path, MLENERGY)
    (point,) = reading.points
    assert point.subject == Subject("m", "h100", 4)
    assert (point.watts, point.itl_seconds, point.fold, point.prompt_tokens) == (500, 0.0215, "32", 280)
    assert reading.left_out == {
        "GPU product b200 is not known": 1,
        "prompt length of image-chat is in no file; give --prompt-tokens": 1,
        "no language model": 1,
    }


def test_a_result_of_vllm_with_metadata(tmp_path):
    (point,) = read(tmp_path, json.dumps(VLLM), "r.json").points
    assert point.subject == Subject("m", "h100", 1)
    assert point.sequences == pytest.approx(15.6), "Little: tokens a second times seconds a token"
    assert (point.prompt_tokens, point.output_tokens) == (500, 200)
    assert (point.watts, point.clock_mhz, point.ttft_seconds) == (455, 1410, 0.08)


def test_results_of_vllm_one_a_line_or_as_a_table_of_a_sweep(tmp_path):
    lines = "\n".join(json.dumps(VLLM | {"max_concurrency": most}) for most in (16, 32))
    table = ",".join(VLLM) + "\n" + ",".join(map(str, VLLM.values())) + "\n"
    assert [point.fold for point in read(tmp_path, lines, "r.json").points] == ["16", "32"]
    assert read(tmp_path, table).points[0].watts == 455


def test_with_an_open_arrival_rate_the_first_token_waits_for_more_than_the_engine(tmp_path):
    (point,) = read(tmp_path, json.dumps(VLLM | {"max_concurrency": None}), "r.json").points
    assert point.ttft_seconds is None


def test_an_export_of_aiperf_with_telemetry(tmp_path):
    (point,) = read(tmp_path, AIPERF, model="m").points
    assert point.subject == Subject("m", "h100", 2)
    assert (point.watts, point.itl_seconds, point.tokens_per_second) == (510, 0.0124, 2320)
    assert point.sequences == pytest.approx(29)


def series(minutes=2, stamp=True, energy=True):
    """The gateway's and an agent's metrics each ten seconds: 8 turns at one GPU of 400 W."""
    lines = ["# TYPE wattline_replica_running_turns gauge"]
    for second in range(0, 60 * minutes + 1, 10):
        end = f" {second * 1000}" if stamp else ""
        lines += [
            f'wattline_replica_running_turns{{pool="p",replica="a"}} 8{end}',
            f'wattline_replica_gpu_info{{pool="p",replica="a",node="n",gpu_uuid="G"}} 1{end}',
            f'wattline_gateway_tokens_total{{pool="p",kind="prompt"}} {second * 4000}{end}',
            f'wattline_gateway_tokens_total{{pool="p",kind="cached"}} {second * 3000}{end}',
            f'wattline_gateway_tokens_total{{pool="p",kind="completion"}} {second * 600}{end}',
            f'wattline_gateway_requests_total{{pool="p",outcome="answered"}} {second * 2}{end}',
            f'wattline_agent_gpu_clock_hertz{{node="n",gpu_uuid="G",kind="current"}} 1.41e9{end}',
            *(
                [f'wattline_agent_gpu_energy_joules_total{{node="n",gpu_uuid="G"}} {second * 400}{end}']
                * energy
            ),
        ]
    return "\n".join(lines) + "\n"


def test_minutes_of_our_own_metrics_are_points(tmp_path):
    points = read(tmp_path, series(), "m.prom", model="m", product="h100").points
    assert len(points) == 2
    assert (points[0].sequences, points[0].watts, points[0].clock_mhz) == (8, 400, 1410)
    assert (points[0].prompt_tokens, points[0].cached_tokens, points[0].output_tokens) == (500, 1500, 300)
    assert points[0].itl_seconds == pytest.approx(8 / 600)


def test_the_same_as_a_range_table(tmp_path):
    rows = ["time,name,pool,replica,node,gpu_uuid,kind,outcome,value"]
    for line in series().splitlines()[1:]:
        head, value, stamp = line.rsplit(" ", 2)
        name, _, labels = head.rstrip("}").partition("{")
        found = dict(part.split("=") for part in labels.replace('"', "").split(","))
        kept = [found.get(label, "") for label in ("pool", "replica", "node", "gpu_uuid", "kind", "outcome")]
        rows.append(",".join([str(int(stamp) / 1000), name, *kept, value]))
    points = read(tmp_path, "\n".join(rows) + "\n", model="m", product="h100").points
    assert [(point.sequences, point.watts) for point in points] == [(8, 400), (8, 400)]


def test_minutes_without_energy_are_counted_not_dropped_in_silence(tmp_path):
    reading = read(tmp_path, series(energy=False), "m.prom", model="m", product="h100")
    assert reading.left_out == {"minutes without the energy counter of every GPU of the replica": 2}


BAD = {
    "no number": (PLAIN.replace(",410,", ",n/a,"), {}, "m.csv:2: column watts: expected a number, found 'n/a'"),
    "not above nothing": (PLAIN.replace(",0.02,", ",-1,"), {}, "m.csv:3: column itlSeconds: expected a number above 0, found '-1'"),
    "a row cut off": (PLAIN[:-12], {}, "m.csv:3: 8 cells under 10 columns; is the file truncated?"),
    "watts of the group": (
        PLAIN.replace("h100,1,1980", "h100,2,1980").replace(",560,", ",1120,"), {},
        "m.csv:3: 1120 W is more than one h100 draws (700 W); watts are of one GPU: divide by 2",
    ),
    "another unit of time": (PLAIN.replace(",0.012,", ",12,"), {}, "m.csv:2: 12 s between tokens; itlSeconds is in seconds: 0.012?"),
    "quantities that contradict": (PLAIN.replace(",640", ",64000"), {}, "but the batch is 8; one of the three is of another unit or run"),
    "a clock that is none": (PLAIN.replace(",1410,", ",5000,"), {}, "m.csv:2: a h100 has clocks from 345 to 1980 MHz, not 5000"),
    "an unknown product": (PLAIN.replace("h100", "tpu"), {}, "m.csv:2: GPU product 'tpu' is not known; there is: h100, h100-nvl, h200, a100"),
    "no batch": (PLAIN.replace(",8,", ",,"), {}, "m.csv:2: no batch: how many sequences ran at a time?"),
    "no tokens": (PLAIN.replace(",500,200,", ",,,"), {}, "m.csv:2: no promptTokens and outputTokens; give both"),
    "context less than its parts": (
        "model,gpu,gpus,batch,contextTokens,promptTokens,outputTokens,watts\nm,h100,1,8,400,500,200,410\n", {},
        "m.csv:2: contextTokens 400 is less than promptTokens 500 and half of outputTokens 200",
    ),
    "no model": (PLAIN.replace("m,h100", ",h100"), {}, "m.csv:2: says no model; add a column model, or give --model"),
    "an empty file": ("", {}, "m.csv:1: the file is empty"),
    "another table": ("a,b\n1,2\n", {}, "m.csv:1: columns a, b are of no known format"),
    "aiperf without streaming": (AIPERF.replace("Inter Token Latency", "Other"), {"model": "m"}, "no Inter Token Latency (ms): did the requests stream?"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "given", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said_with_file_line_and_remedy(tmp_path, text: str, given: dict, said: str):
    assert said in refused(tmp_path, text, **given)


def test_half_a_json_file_is_named_with_its_line(tmp_path):
    said = refused(tmp_path, json.dumps(VLLM) + "\n" + json.dumps(VLLM)[:40], "r.json")
    assert "r.json:2: not JSON:" in said
    assert "is the file truncated?" in said


def test_a_scrape_without_timestamps_is_no_series(tmp_path):
    said = refused(tmp_path, series(stamp=False), "m.prom", model="m", product="h100")
    assert (
        "m.prom:2: wattline_replica_running_turns has no timestamp; take the text from Prometheus' /federate"
        in said
    )


def test_no_such_file_and_half_a_gzip(tmp_path):
    with pytest.raises(ProfileError, match="there is no such file"):
        load([tmp_path / "none.csv"], Given())
    (tmp_path / "half.csv.gz").write_bytes(gzip.compress(PLAIN.encode())[:40])
    with pytest.raises(ProfileError, match="cannot be read"):
        load([tmp_path / "half.csv.gz"], Given())


def test_many_problems_are_shown_to_twenty(tmp_path):
    said = refused(tmp_path, PLAIN + "m,h100,1,1980,64,500,200,x,0.02,3000\n" * 30)
    assert said.endswith("and 10 more")
