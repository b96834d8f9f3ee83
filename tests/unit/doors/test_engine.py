"""What vLLM says of itself."""

import aiohttp
import pytest

from wattline.doors.engine import EngineAwayError, EngineSample, parse, read
from wattline.model.errors import BackendError

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.5e+06
vllm:prompt_tokens_created{engine="0",model_name="m"} 1.7e+09
vllm:generation_tokens_total{engine="0",model_name="m"} 1000.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1.5e+06
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 900.0
vllm:num_preemptions_total{engine="0",model_name="m"} 2.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="m"} 0.0
vllm:cache_config_info{block_size="16",cache_dtype="auto",enable_prefix_caching="True",num_gpu_blocks="2600"} 1.0
"""


def test_a_reading_holds_load_counters_and_capacity():
    assert parse(VLLM) == EngineSample(3, 1, 1.5e6, 900, 1000, 2, 41_600)


def test_ranks_of_one_engine_add_up():
    assert parse(VLLM + VLLM.replace('engine="0"', 'engine="1"')).running == 6
    assert parse(VLLM + VLLM.replace('engine="0"', 'engine="1"')).capacity_tokens == 83_200


def test_an_engine_that_has_not_sized_its_memory_says_nothing_of_it():
    assert parse(VLLM.replace('num_gpu_blocks="2600"', 'num_gpu_blocks="None"')).capacity_tokens is None
    assert parse("vllm:num_requests_running 0\n").capacity_tokens is None


@pytest.mark.parametrize("text", ["", "<html>", "vllm:num_requests_running{} many\n"])
def test_what_is_no_vllm_is_an_error(text):
    with pytest.raises(BackendError):
        parse(text)


async def test_an_address_where_nobody_listens_is_an_engine_that_is_away():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(EngineAwayError, match=r"127\.0\.0\.1:9"):
            await read(session, "http://127.0.0.1:9")
