"""Sessions are recognised by what each client sends anyway."""

import json

import pytest
from multidict import CIMultiDict

from wattline.gateway.identity import identify
from wattline.gateway.prompt import Api, parse


def prompt(text="do it", **body):
    return parse(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]} | body).encode(), Api.CHAT
    )


@pytest.mark.parametrize(
    ("headers", "session", "parent", "root"),
    [
        pytest.param({"X-Claude-Code-Session-Id": "s"}, "s", None, None, id="Claude Code"),
        pytest.param(
            {"x-claude-code-session-id": "s", "x-claude-code-agent-id": "a"},
            "s/a",
            "s",
            "s",
            id="its sub-agent",
        ),
        pytest.param(
            {
                "x-claude-code-session-id": "s",
                "x-claude-code-agent-id": "b",
                "x-claude-code-parent-agent-id": "a",
            },
            "s/b",
            "s/a",
            "s",
            id="and the sub-agent's",
        ),
        pytest.param({"session-id": "s"}, "s", None, None, id="Codex"),
        pytest.param({"session-id": "s", "thread-id": "t"}, "t", None, "s", id="Codex with threads"),
        pytest.param({"session_id": "s"}, "s", None, None, id="Codex, older"),
        pytest.param({"x-session-affinity": "k", "x-session-id": "s"}, "s", None, None, id="OpenCode"),
        pytest.param({"x-session-affinity": "k"}, "k", None, None, id="OpenCode, affinity alone"),
        pytest.param(
            {"x-session-id": "c", "x-parent-session-id": "s"}, "c", "s", None, id="OpenCode's sub-agent"
        ),
        pytest.param({"X-SESSION-ID": "s"}, "s", None, None, id="any case"),
        pytest.param({"x-dynamo-session-id": "s"}, "s", None, None, id="Dynamo"),
        pytest.param(
            {"x-dynamo-session-id": "c", "x-dynamo-parent-session-id": "s"},
            "c",
            "s",
            None,
            id="Dynamo's sub-agent",
        ),
        pytest.param({"x-llm-d-inference-fairness-id": "f"}, "f", None, None, id="llm-d"),
        pytest.param({"x-session-token": "t"}, "t", None, None, id="llm-d's echoed token"),
        pytest.param({"x-litellm-session-id": "s", "x-litellm-trace-id": "t"}, "s", None, None, id="LiteLLM"),
        pytest.param({"x-litellm-trace-id": "t"}, "t", None, None, id="LiteLLM, trace alone"),
        pytest.param({"x-smg-routing-key": "k"}, "k", None, None, id="smg and sglang-router"),
        pytest.param({"x-aibrix-session-key": "k"}, "k", None, None, id="AIBrix"),
        pytest.param({"x-correlation-id": "c"}, "c", None, None, id="aiperf"),
        pytest.param({"x-agent-id": "a"}, "a", None, None, id="KAIROS's agents"),
        pytest.param(
            {"x-llm-d-inference-fairness-id": "tenant", "x-correlation-id": "c"},
            "c",
            None,
            None,
            id="what names the session goes before what groups it",
        ),
    ],
)
def test_each_client_is_known_by_its_header(headers, session, parent, root):
    found = identify(CIMultiDict(headers), prompt())

    assert (found.session, found.parent, found.root) == (session, parent, root)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            {"vllm_xargs": {"agentic_context": {"program_id": "p", "parent_program_id": "q"}}},
            id="vllm-router",
        ),
        pytest.param(
            {"vllm_xargs": {"agentic_context": json.dumps({"session_id": "p", "parent_session_id": "q"})}},
            id="as text",
        ),
        pytest.param({"agent_hint": {"session_id": "p", "parent_session_id": "q"}}, id="agent_hint"),
        pytest.param({"nvext": {"agent_hints": {"session_id": "p", "parent_session_id": "q"}}}, id="nvext"),
    ],
)
def test_hints_in_the_body_count_where_no_header_speaks(body):
    found = identify(CIMultiDict(), prompt(**body))

    assert (found.session, found.parent, found.source) == ("p", "q", "body")
    assert identify(CIMultiDict({"x-session-id": "s"}), prompt(**body)).session == "s"


def test_without_any_id_the_first_messages_tell_sessions_apart():
    def of(*messages):
        raw = json.dumps(
            {"model": "m", "messages": [{"role": r, "content": c} for r, c in messages]}
        ).encode()
        return identify(CIMultiDict(), parse(raw, Api.CHAT)).session

    first = of(("system", "rules"), ("user", "fix it"))
    assert of(("system", "rules"), ("user", "fix it"), ("assistant", "ok"), ("user", "go on")) == first
    assert of(("system", "rules"), ("user", "other")) != first
    assert first.startswith("prompt-")


def test_codex_response_ids_are_no_sessions():
    one, other = prompt(previous_response_id="r1"), prompt(previous_response_id="r2")

    assert identify(CIMultiDict(), one).session == identify(CIMultiDict(), other).session


def test_the_last_turn_says_so_and_endless_ids_are_hashed():
    final = identify(CIMultiDict({"x-session-id": "s", "x-dynamo-session-final": "True"}), prompt())
    long = identify(CIMultiDict({"x-session-id": "s" * 1000}), prompt())

    assert final.final
    assert len(long.session) < 60
    assert not long.final
