"""The gateway over real sockets, called by a real OpenAI client."""

import asyncio
import contextlib
import gzip
import json

import aiohttp
import openai
import pytest
import yaml
from aiohttp import web
from tests.integration.gateway_backend import Backend

from wattline.doors.clock import BootClock
from wattline.doors.listen import listener
from wattline.gateway.files import FilesSource
from wattline.gateway.identity import RULES
from wattline.gateway.main import drain, serving
from wattline.gateway.settings import Settings
from wattline.policy.admit import Growth
from wattline.policy.route import Mode

MODEL = "some/model"
QUICK = {"poll_seconds": 0.05, "first_turn_wait_seconds": 0.3, "turn_wait_seconds": 3.0}
SHORT_LIVED = Growth(turns=1000, ended=500, tokens=1000)
HELLO = [{"role": "user", "content": "hello " * 20}]


def manifest(backends, gpus=None):
    endpoints = [
        {"name": backend.name, "url": backend.url, "node": "n1", "gpus": [f"GPU-{index}"]}
        for index, backend in enumerate(backends)
    ]
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": "coder"},
        "spec": {"model": MODEL, "endpoints": endpoints},
    }


class Served:
    """A running gateway and what tests do with it."""

    def __init__(self, gateway, url, http, clients):
        self.gateway, self.url, self.http, self._clients = gateway, url, http, clients
        self.desk = gateway.pools["coder"].desk

    def client(self, **headers):
        client = openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key="x", max_retries=0, default_headers=headers, timeout=20
        )
        self._clients.append(client)
        return client

    async def ask(self, session, messages=HELLO, **more):
        client = self.client(**{"x-session-id": session})
        return await client.chat.completions.create(model=MODEL, messages=messages, **more)

    async def until(self, holds, seconds=5.0):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)

    async def run(self, run):
        async with self.http.get(f"{self.url}/v1/runs/{run}") as response:
            return await response.json()


@contextlib.asynccontextmanager
async def gateway_for(tmp_path, backends, *, ready=True, speed=1.0, **changes):
    folder = tmp_path / "fleet"
    folder.mkdir(exist_ok=True)
    (folder / "pool.yaml").write_text(yaml.safe_dump(manifest(backends)))
    clients = []
    with listener("127.0.0.1", 0) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        settings, clock = Settings(**QUICK | changes), BootClock()
        source = FilesSource([folder], tmp_path / "state", clock, period_seconds=settings.poll_seconds)
        async with (
            aiohttp.ClientSession() as http,
            serving(source, settings, clock, sock, speed=speed) as (gateway, _),
        ):
            served = Served(gateway, url, http, clients)
            if ready:
                await served.until(lambda: all(r.usable for r in gateway.pools["coder"].replicas.values()))
            try:
                yield served
            finally:
                for client in clients:
                    await client.close()


@pytest.fixture
async def engine():
    backend = await Backend("e0").start()
    yield backend
    await backend.stop()


@pytest.fixture
async def second():
    backend = await Backend("e1").start()
    yield backend
    await backend.stop()


async def test_an_answer_comes_back_as_it_was_with_headers_of_ours(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        client = served.client(**{"x-session-id": "s1"})
        raw = await client.chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO, max_tokens=3
        )

        assert raw.parse().choices[0].message.content == "word word word "
        assert raw.headers["x-wattline-session"] == "s1"
        assert raw.headers["x-wattline-replica"] == "e0"
        assert raw.headers["x-wattline-energy-joules"] == "0.0"
        assert [model.id async for model in client.models.list()] == [MODEL]
        assert (await client.models.retrieve(MODEL)).id == MODEL
        run = await served.run("s1")
        assert (run["turns"], run["promptTokens"], run["completionTokens"]) == (1, 30, 3)
        assert served.desk.resident_tokens("e0") == 33


async def test_a_completion_without_chat_goes_through_too(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        answer = await served.client().completions.create(model=MODEL, prompt="one two three four")

        assert answer.usage.prompt_tokens == 4


@pytest.mark.parametrize(
    "asked",
    [pytest.param(False, id="taken out again"), pytest.param(True, id="left in where the client asked")],
)
async def test_usage_is_asked_for_in_streams_and(tmp_path, engine, asked):
    options = {"stream_options": {"include_usage": True}} if asked else {}
    async with gateway_for(tmp_path, [engine]) as served:
        chunks = [chunk async for chunk in await served.ask("s1", stream=True, **options)]

        assert "".join(c.choices[0].delta.content for c in chunks if c.choices) == "word " * 4
        assert [bool(chunk.usage) for chunk in chunks] == [False] * 4 + [True] * asked
        assert engine.requests[0][1]["stream_options"] == {"include_usage": True}
        assert (await served.run("s1"))["completionTokens"] == 4


async def test_a_stream_is_passed_on_part_by_part(tmp_path, engine):
    engine.gate = asyncio.Event()
    async with gateway_for(tmp_path, [engine]) as served:
        stream = await served.ask("s1", stream=True)
        first = await anext(aiter(stream))
        assert first.choices[0].delta.content == "word "
        assert served.desk.running("e0") == 1
        engine.gate.set()
        assert len([chunk async for chunk in stream]) == 3


async def test_bodies_reach_the_engine_byte_for_byte(tmp_path, engine):
    body = json.dumps({"model": MODEL, "messages": HELLO, "strange": [1.50, "é", None]}, indent=3).encode()
    async with (
        gateway_for(tmp_path, [engine]) as served,
        served.http.post(
            f"{served.url}/v1/chat/completions", data=body, headers={"x-custom": "kept"}
        ) as response,
    ):
        assert response.status == 200
        headers, _, raw = engine.requests[0]
        assert raw == body
        assert headers["x-custom"] == "kept"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param(b"{nope", 400, "not JSON", id="no JSON"),
        pytest.param(b"[]", 400, "must be a JSON object", id="no object"),
        pytest.param(b'{"messages":[]}', 400, "model must be a string", id="no model"),
        pytest.param(b'{"model":"some/model","messages":[]}', 400, "at least one message", id="no messages"),
        pytest.param(
            b'{"model":"x","messages":[{"role":"user"}]}', 404, "models here: some/model", id="other model"
        ),
    ],
)
async def test_bad_requests_are_told_what_was_expected(tmp_path, engine, body, status, says):
    async with (
        gateway_for(tmp_path, [engine]) as served,
        served.http.post(f"{served.url}/v1/chat/completions", data=body) as response,
    ):
        error = (await response.json())["error"]
        assert response.status == status
        assert says in error["message"]
        assert set(error) == {"message", "type", "code", "param"}


async def test_a_compressed_request_reaches_the_engine_plain(tmp_path, engine):
    body = gzip.compress(json.dumps({"model": MODEL, "messages": HELLO}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with (
        gateway_for(tmp_path, [engine]) as served,
        served.http.post(f"{served.url}/v1/chat/completions", data=body, headers=headers) as response,
    ):
        assert response.status == 200
        assert "Content-Encoding" not in engine.requests[0][0]


async def test_errors_of_the_engine_are_passed_on(tmp_path, engine):
    engine.status = 400
    async with gateway_for(tmp_path, [engine]) as served:
        with pytest.raises(openai.BadRequestError, match="engine says no"):
            await served.ask("s1")
        assert served.desk.running("e0") == 0


async def test_a_first_turn_without_memory_is_held_then_refused_and_comes_back_in_time(tmp_path, engine):
    engine.capacity_tokens = 1600
    big = [{"role": "user", "content": "x" * 5600}]
    async with gateway_for(tmp_path, [engine], adopting_seconds=0, first_turn_wait_seconds=1.0) as served:
        await served.ask("holder", big)
        with pytest.raises(openai.RateLimitError, match="no memory for new agents") as refused:
            await served.ask("late", big)
        headers = refused.value.response.headers
        assert headers["x-wattline-refused-reason"] == "rejected-saturated"
        assert headers["x-llm-d-request-dropped-reason"] == "rejected-saturated"
        assert int(headers["retry-after"]) >= 1

        held = asyncio.create_task(served.ask("patient", big))
        await served.until(lambda: served.desk.held == 1)
        async with served.http.post(f"{served.url}/finish_session?session_id=holder") as response:
            assert await response.json() == {"session_id": "holder", "finished": 1}
        assert (await held).choices


async def test_a_client_that_heeds_retry_after_gets_in(tmp_path, engine):
    engine.capacity_tokens = 1600
    big = [{"role": "user", "content": "x" * 5600}]
    async with gateway_for(tmp_path, [engine], speed=20, first_turn_wait_seconds=0.1) as served:
        await served.ask("holder", big)
        client = served.client(**{"x-session-id": "late"}).with_options(max_retries=3)
        late = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=big))
        await served.until(lambda: served.gateway.counts.refusals["coder", "rejected-saturated"] == 1)
        served.gateway.finish("holder")
        assert (await late).choices
        assert served.gateway.counts.requests["coder", "refused"] == 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.session)
async def test_any_clients_session_header_names_the_session(tmp_path, engine, rule):
    async with gateway_for(tmp_path, [engine]) as served:
        client = served.client(**{rule.session.title(): "me"})
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        assert raw.headers["x-wattline-session"] == "me"
        assert (await served.run("me"))["turns"] == 1


async def test_only_first_turns_are_refused(tmp_path, engine):
    engine.capacity_tokens = 1600
    async with gateway_for(tmp_path, [engine]) as served:
        served.desk.growth = SHORT_LIVED
        await served.ask("a", [{"role": "user", "content": "a" * 1600}])
        await served.ask("b", [{"role": "user", "content": "b" * 800}])
        for size in (4000, 5000, 5200):
            assert (await served.ask("a", [{"role": "user", "content": "a" * size}])).choices


async def test_sub_agents_of_an_accepted_run_are_owed_an_answer(tmp_path, engine):
    engine.capacity_tokens = 1600
    async with gateway_for(tmp_path, [engine], turn_wait_seconds=0.4) as served:
        await served.ask("root", [{"role": "user", "content": "a" * 5600}])
        child = served.client(**{"x-session-id": "child", "x-parent-session-id": "root"})
        with pytest.raises(openai.InternalServerError) as refused:
            await child.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "c" * 2000}]
            )
        assert refused.value.status_code == 503
        assert refused.value.response.headers["x-wattline-refused-reason"] == "rejected-ttl-expired"


async def test_without_admission_nobody_waits(tmp_path, engine):
    engine.capacity_tokens = 1600
    async with gateway_for(tmp_path, [engine], admission=False) as served:
        for session in "abc":
            await served.ask(session, [{"role": "user", "content": session * 5600}])
        assert served.desk.resident_tokens("e0") > 4000


async def test_a_prompt_that_no_memory_can_hold_is_told_so_at_once(tmp_path, engine):
    engine.capacity_tokens = 160
    async with gateway_for(tmp_path, [engine]) as served:
        with pytest.raises(openai.BadRequestError, match="do not fit") as refused:
            await served.ask("s1", [{"role": "user", "content": "x" * 4000}])
        assert refused.value.code == "context_length_exceeded"


async def test_the_engine_stops_when_the_client_goes(tmp_path, engine):
    engine.gate = asyncio.Event()
    async with gateway_for(tmp_path, [engine]) as served:
        streaming = await served.ask("s1", stream=True)
        whole = asyncio.create_task(served.ask("s2"))
        await served.until(lambda: engine.running == 2)
        await streaming.close()
        whole.cancel()
        await served.until(lambda: engine.running == 0)
        await served.until(lambda: not served.gateway.turns)

        assert served.desk.running("e0") == 0
        engine.gate.set()
        assert (await served.ask("s1")).choices


async def test_a_session_that_never_got_an_answer_holds_nothing(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        engine.status = 400
        with pytest.raises(openai.BadRequestError):
            await served.ask("declined")
        assert served.desk.resident_tokens("e0") == 0
        engine.status, engine.gate = 200, asyncio.Event()
        left = asyncio.create_task(served.ask("left"))
        await served.until(lambda: engine.running == 1)
        left.cancel()
        await served.until(lambda: not served.gateway.turns)
        assert served.desk.resident_tokens("e0") == 0
        assert len(served.gateway.sessions) == 0


async def test_a_turn_that_the_engine_declines_leaves_its_session_as_it_was(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        await served.ask("s1")
        held = served.desk.resident_tokens("e0")
        engine.status = 400
        with pytest.raises(openai.BadRequestError):
            await served.ask("s1", [*HELLO, *HELLO, *HELLO])
        assert served.desk.resident_tokens("e0") == held


async def test_a_held_client_that_goes_is_forgotten(tmp_path, engine):
    engine.capacity_tokens = 1600
    async with gateway_for(tmp_path, [engine], first_turn_wait_seconds=60) as served:
        await served.ask("a", [{"role": "user", "content": "a" * 5600}])
        waiting = asyncio.create_task(served.ask("b", [{"role": "user", "content": "b" * 5600}]))
        await served.until(lambda: served.desk.held == 1)
        waiting.cancel()
        await served.until(lambda: served.desk.held == 0)
        assert len(served.gateway.sessions) == 1


async def test_a_connection_that_an_engine_cut_is_tried_again_there(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        engine.close_before_answer = 1
        assert (await served.ask("s1")).choices
        assert served.gateway.counts.retries["coder"] == 1


async def test_an_engine_that_is_gone_loses_its_turns_to_another(tmp_path, engine, second):
    async with gateway_for(tmp_path, [engine, second], poll_seconds=30, turn_wait_seconds=60) as served:
        await served.ask("s1")
        await engine.stop()
        client = served.client(**{"x-session-id": "s1"})
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)

        assert raw.headers["x-wattline-replica"] == "e1"
        assert served.desk.resident_tokens("e0") == 0


async def test_an_accepted_turn_waits_for_its_only_engine_to_come_back(tmp_path):
    engine = await Backend("e0").start()
    async with gateway_for(tmp_path, [engine], turn_wait_seconds=20) as served:
        await served.ask("s1")
        await engine.stop()
        waiting = asyncio.create_task(served.ask("s1"))
        await served.until(lambda: served.desk.held == 1)
        again = await Backend("e0").start(engine.port)
        assert (await waiting).choices
        await again.stop()


async def test_an_overloaded_engine_is_left_for_another(tmp_path, engine, second):
    async with gateway_for(tmp_path, [engine, second], poll_seconds=30) as served:
        engine.status = 503
        client = served.client(**{"x-session-id": "s1"})
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        assert raw.headers["x-wattline-replica"] == "e1"


async def test_an_engine_that_dies_in_the_middle_ends_the_stream_with_an_error(tmp_path, engine, caplog):
    async with gateway_for(tmp_path, [engine]) as served:
        engine.die_after_tokens = 2
        stream = aiter(await served.ask("s1", stream=True, max_tokens=10))
        assert len([await anext(stream) for _ in range(2)]) == 2
        with pytest.raises(openai.APIError, match="failed in the middle of its answer"):
            await anext(stream)
        await served.until(lambda: not served.gateway.turns)
        assert "a turn of session s1 broke off: engine coder/e0 failed" in caplog.text
        assert served.gateway.counts.requests["coder", "broken"] == 1
        assert served.desk.running("e0") == 0

        engine.die_after_tokens = None
        assert (await served.ask("s1")).choices


async def test_nothing_accepted_is_lost_while_engines_come_and_go(tmp_path, engine, second):
    """Twenty agents of four turns each, not streamed; one engine is killed and started again under them."""
    for backend in (engine, second):
        backend.step_seconds, backend.capacity_tokens = 0.004, 30_000
    async with gateway_for(
        tmp_path, [engine, second], first_turn_wait_seconds=60, turn_wait_seconds=60
    ) as served:
        client, answered = served.client(), []

        async def agent(number):
            said = [{"role": "user", "content": f"{number} " * 1000}]
            for turn in range(4):
                headers = {"x-session-id": f"agent-{number}"}
                answer = await client.chat.completions.create(
                    model=MODEL, messages=said, extra_headers=headers, max_tokens=5
                )
                answered.append((number, turn))
                said += [{"role": "assistant", "content": answer.choices[0].message.content}]
                said += [{"role": "user", "content": "and then? " * 50}]
                await asyncio.sleep(0.005)
            served.gateway.finish(f"agent-{number}")

        agents = [asyncio.create_task(agent(number)) for number in range(20)]
        await served.until(lambda: len(answered) > 15)
        await engine.stop()
        await served.until(lambda: len(answered) > 40, 20)
        again = await Backend("e0").start(engine.port)
        await asyncio.gather(*agents)
        await again.stop()

        assert sorted(answered) == [(number, turn) for number in range(20) for turn in range(4)]
        pool = served.gateway.pools["coder"]
        assert {(load.resident_tokens, load.running, load.waiting) for load in pool.loads(None)} == {
            (0, 0, 0)
        }
        assert [replica.sequences for replica in pool.replicas.values()] == [0, 0]
        assert served.gateway.counts.retries["coder"] >= 1
        assert len(served.gateway.sessions) == 0


async def test_no_engine_at_all_is_503_with_its_reason(tmp_path):
    gone = await Backend("e0").start()
    await gone.stop()
    async with gateway_for(tmp_path, [gone], ready=False) as served:
        with pytest.raises(openai.InternalServerError, match="no engine of coder answered") as refused:
            await served.ask("s1")
        assert refused.value.response.headers["x-wattline-refused-reason"] == "rejected-no-endpoints"
        async with served.http.get(f"{served.url}/readyz") as response:
            assert (response.status, await response.text()) == (503, "no engine answers yet: coder\n")


async def test_draining_finishes_what_runs_and_takes_nobody_new(tmp_path, engine):
    engine.gate = asyncio.Event()
    async with gateway_for(tmp_path, [engine], first_turn_wait_seconds=60) as served:
        running = asyncio.create_task(served.ask("s1"))
        await served.until(lambda: engine.running == 1)
        held = asyncio.create_task(served.ask("held", [{"role": "user", "content": "x" * 340_000}]))
        await served.until(lambda: served.desk.held == 1)
        stopping = asyncio.create_task(drain(served.gateway, asyncio.Event()))
        await served.until(lambda: served.gateway.draining)
        with pytest.raises(openai.InternalServerError, match="takes no new sessions") as refused:
            await served.ask("new")
        assert refused.value.response.headers["x-wattline-refused-reason"] == "rejected-draining"
        with pytest.raises(openai.InternalServerError, match="takes no new sessions"):
            await held
        assert not stopping.done()
        engine.gate.set()
        assert (await running).choices
        await asyncio.wait_for(stopping, 5)


CONTINUED = [
    {"role": "user", "content": "y" * 5000},
    {"role": "assistant", "content": "fine"},
    {"role": "user", "content": "go on"},
]


async def test_a_new_gateway_adopts_sessions_that_come_with_answers(tmp_path, engine):
    engine.capacity_tokens = 1600
    async with gateway_for(tmp_path, [engine]) as served:
        await served.ask("holder", [{"role": "user", "content": "x" * 5600}])
        engine.gate = asyncio.Event()
        adopted = asyncio.create_task(served.ask("old", CONTINUED))
        await served.until(lambda: served.desk.resident_tokens("e0") > 2600)
        engine.gate.set()
        assert (await adopted).choices
        with pytest.raises(openai.RateLimitError):
            await served.ask("new", [{"role": "user", "content": "z" * 5000}])


async def test_once_adopting_is_over_such_a_session_is_new(tmp_path, engine):
    engine.capacity_tokens = 1600
    async with gateway_for(tmp_path, [engine], adopting_seconds=0) as served:
        await served.ask("holder", [{"role": "user", "content": "x" * 5600}])
        with pytest.raises(openai.RateLimitError):
            await served.ask("old", CONTINUED)


async def test_a_shared_opening_counts_once(tmp_path, engine):
    opening = {"role": "system", "content": "tools and rules " * 1000}
    async with gateway_for(tmp_path, [engine]) as served:
        for session in "abc":
            await served.ask(session, [opening, {"role": "user", "content": f"{session} asks " * 10}])
        assert 4000 < served.desk.resident_tokens("e0") < 5200
        run = await served.run("b")
        assert run["cachedTokens"] == 4000
        assert run["recomputedTokens"] == 0


async def test_what_had_to_be_computed_again_is_counted(tmp_path, engine):
    prompt = [{"role": "user", "content": "z" * 8192}]
    async with gateway_for(tmp_path, [engine]) as served:
        await served.ask("s1", prompt)
        engine.seen.clear()
        await served.ask("s1", prompt)
        run = await served.run("s1")
        assert run["recomputedTokens"] == pytest.approx(2048, abs=300)


@pytest.mark.parametrize(
    ("mode", "replicas"),
    [
        pytest.param(Mode.ROUND_ROBIN, ["e0", "e1", "e0", "e1"], id="round robin goes round"),
        pytest.param(Mode.AFFINITY, ["e0"] * 4, id="affinity stays"),
        pytest.param(Mode.WATTLINE, ["e0"] * 4, id="wattline stays"),
    ],
)
async def test_turns_of_one_session_under(tmp_path, engine, second, mode, replicas):
    async with gateway_for(tmp_path, [engine, second], routing=mode) as served:
        client, seen = served.client(**{"x-session-id": "s1"}), []
        for _ in range(4):
            raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
            seen.append(raw.headers["x-wattline-replica"])
        assert seen == replicas


async def test_the_last_turn_of_a_session_gives_its_memory_back(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        await served.ask("s1")
        assert served.desk.resident_tokens("e0") > 0
        await served.ask("s1", extra_headers={"x-dynamo-session-final": "true"})
        assert served.desk.resident_tokens("e0") == 0
        assert len(served.gateway.sessions) == 0


async def test_silent_sessions_give_their_memory_back_and_are_served_again(tmp_path, engine):
    async with gateway_for(tmp_path, [engine], idle_seconds=0.2) as served:
        await served.ask("s1")
        await served.until(lambda: served.desk.resident_tokens("e0") == 0)
        assert (await served.ask("s1")).choices


async def test_what_agents_of_nodes_read(tmp_path, engine, second):
    async with gateway_for(tmp_path, [engine, second]) as served:
        await served.ask("s1")
        async with served.http.get(f"{served.url}/v1/replicas?node=n1") as response:
            loads = (await response.json())["replicas"]
        async with served.http.get(f"{served.url}/v1/replicas?node=n2") as response:
            assert (await response.json())["replicas"] == []
        assert [load["name"] for load in loads] == ["e0", "e1"]
        assert loads[0]["capacityTokens"] == 100_000
        assert loads[0]["residentTokens"] == 34
        assert loads[0]["slowestAgentTokensPerSecond"] > 0
        assert loads[1]["slowestAgentTokensPerSecond"] is None


async def test_manifests_are_taken_while_running_and_wrong_ones_change_nothing(
    tmp_path, engine, second, caplog
):
    async with gateway_for(tmp_path, [engine]) as served:
        path = tmp_path / "fleet" / "pool.yaml"
        path.write_text("kind: Nonsense\n")
        await served.until(lambda: "the last good ones stay in force" in caplog.text)
        assert (await served.ask("s1")).choices
        path.write_text(yaml.safe_dump(manifest([engine, second])))
        await served.until(lambda: "e1" in served.gateway.pools["coder"].replicas)
        await served.until(lambda: served.gateway.pools["coder"].replicas["e1"].usable)
        path.write_text(yaml.safe_dump(manifest([second])))
        await served.until(lambda: not served.gateway.pools["coder"].replicas["e0"].declared)
        client = served.client(**{"x-session-id": "s1"})
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        assert raw.headers["x-wattline-replica"] == "e1"


async def test_metrics_name_units_and_reasons(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        await served.ask("s1")
        async with served.http.get(f"{served.url}/metrics") as response:
            text = await response.text()
    assert 'wattline_replica_resident_tokens{pool="coder",replica="e0"} 34.0' in text
    assert 'wattline_gateway_requests_total{outcome="answered",pool="coder"} 1.0' in text
    assert 'wattline_gateway_routed_turns_total{pool="coder",reason="Consolidated"} 1.0' in text
    assert 'wattline_pool_held_turns{pool="coder",reason="AboveAdmitBelow"} 0.0' in text
    assert 'wattline_pool_memory_threshold_ratio{pool="coder",threshold="admitBelow"} 0.9' in text
    assert "process_resident_memory_bytes " in text
    assert "s1" not in text


async def test_a_refusal_that_no_pool_is_asked_for_is_counted_too(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        with pytest.raises(openai.NotFoundError):
            await served.client().chat.completions.create(model="no/such", messages=HELLO)

        assert served.gateway.counts.refusals["", "rejected-no-such-model"] == 1


class Meter:
    """A node agent that serves energy counters."""

    def __init__(self):
        self.joules, self.at_seconds = 1000.0, BootClock().now()

    async def start(self, state):
        app = web.Application()
        app.router.add_get("/v1/gpus", self.gpus)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        port = self.runner.addresses[0][1]
        (state / "powernodes").mkdir(parents=True)
        (state / "powernodes" / "n1.status.yaml").write_text(
            yaml.safe_dump({"metadata": {"name": "n1"}, "status": {"address": f"http://127.0.0.1:{port}"}})
        )
        return self

    def advance(self, joules):
        self.joules += joules
        self.at_seconds = BootClock().now()

    async def gpus(self, request):
        gpu = {
            "uuid": "GPU-0", "product": "x", "energyJoules": self.joules, "watts": 1, "limitWatts": 1,
            "clockMhz": 1, "celsius": 1, "marginCelsius": None,
        }  # fmt: skip
        return web.json_response({"node": "n1", "bootId": "b", "atSeconds": self.at_seconds, "gpus": [gpu]})


async def test_joules_of_a_run_settle_and_add_up_to_the_counter(tmp_path, engine):
    meter = await Meter().start(tmp_path / "state")
    async with gateway_for(tmp_path, [engine]) as served:
        totals = lambda: served.gateway.energy.totals()["coder", "e0"]  # noqa: E731 - read again and again
        group = served.gateway.energy._groups["coder", "e0"]
        await served.until(lambda: group.read_seconds is not None)
        meter.advance(5)
        await served.until(lambda: totals()["idle"] == 5)
        await served.ask("s1")
        await asyncio.sleep(0.02)
        meter.advance(200)
        await served.until(lambda: totals()["attributed"] > 0)
        run = await served.run("s1")

        assert run["settled"]
        assert run["joules"] == pytest.approx(totals()["attributed"], abs=0.01)
        assert sum(totals().values()) == pytest.approx(205)
        client = served.client(**{"x-session-id": "s1"})
        raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        assert float(raw.headers["x-wattline-energy-joules"]) == pytest.approx(run["joules"], abs=0.1)
        await served.http.post(f"{served.url}/finish_session?session_id=s1")
        await asyncio.sleep(0.02)
        meter.advance(10)
        await served.until(lambda: "coder" in served.gateway.counts.run_joules)
        told = served.gateway.counts
        assert told.run_joules["coder"].sum == pytest.approx(totals()["attributed"])
        assert told.runs_finished["coder", "told"] == 1
    await meter.runner.cleanup()


async def test_work_that_went_past_the_gateway_is_foreign(tmp_path, engine):
    meter = await Meter().start(tmp_path / "state")
    engine.extra_running = 2
    async with gateway_for(tmp_path, [engine]) as served:
        group = served.gateway.energy._groups["coder", "e0"]
        await served.until(lambda: group.read_seconds is not None and min(group.excess) == 1)
        meter.advance(100)
        await served.until(lambda: served.gateway.energy.totals()["coder", "e0"]["foreign"] == 100)
    await meter.runner.cleanup()
