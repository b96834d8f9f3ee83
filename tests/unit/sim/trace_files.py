"""A small file of every format that is read, by name: what people download, in miniature."""

import json

AGENTCGROUP = """run_id,call_idx,is_sidechain,prev_event_s,last_block_s,input_tokens,cache_creation_input_tokens,cache_read_input_tokens,output_tokens,tool_names
all_images_local/a,0,0,0.0,5.0,1000,0,0,200,Grep
all_images_local/a,1,0,7.5,9.0,1700,0,0,50,
all_images_local/b,0,0,0.0,5.0,500,300,400,100,
all_images_haiku/c,0,0,0.0,5.0,900,0,0,1,
"""

CLAUDE_TABLE = """trace_id,scope,req_idx,t,type,model,in,out,n_blocks,lcp_blocks_prev,input_types,output_types,stop,api_time,think_time,ttft
t1,,0,0.0,s,m,640,10,10,0,text,tool_use,tool_use,1,0,
t1,,1,5.0,s,m,960,20,15,10,tool_result,tool_use,tool_use,1,4,
t1,,2,9.0,s,m,1280,20,20,15,text,text,end_turn,1,90,
"""


def claude_request(t, size, blocks, **more):
    return {
        "t": t, "type": "s", "model": "m", "in": size, "out": 50, "hash_ids": blocks, "input_types": ["text"],
        "output_types": ["tool_use"], "stop": "tool_use",
    } | more  # fmt: skip


CLAUDE_SESSION = {
    "id": "trace_0001",
    "models": ["m"],
    "block_size": 64,
    "hash_id_scope": "local",
    "tool_tokens": 130,
    "system_tokens": 20,
    "requests": [
        claude_request(0.0, 300, [1, 2, 3, 4, 5]),
        {
            "t": 3.0, "type": "subagent", "agent_id": "agent_001", "subagent_type": "Explore", "duration_ms": 9000,
            "total_tokens": 10, "tool_use_count": 1, "status": "completed", "models": ["m"],
            "tool_tokens": 130, "system_tokens": 20,
            "requests": [
                claude_request(0.0, 200, [1, 2, 9, 10]),
                claude_request(4.0, 260, [1, 2, 9, 11, 12], think_time=2.5, api_time=1.0, input_types=["tool_result"]),
            ],
        },
        claude_request(12.0, 400, [1, 2, 3, 4, 6, 7, 8], input_types=["tool_result"]),
        claude_request(100.0, 460, [1, 2, 3, 4, 6, 7, 8, 13]),
    ],
}  # fmt: skip


def said(kind, at, **message):
    return {"sessionId": "s1", "isSidechain": False, "timestamp": f"2026-02-05T06:53:{at:06.3f}Z", "type": kind,
            "message": {"role": kind} | message}  # fmt: skip


def answered(at, name, size, out, *tools):
    content = [{"type": "tool_use", "name": tool} for tool in tools] or [{"type": "text", "text": "done"}]
    return said("assistant", at, id=name, model="m", content=content,
                usage={"input_tokens": size, "cache_read_input_tokens": 100, "output_tokens": out})  # fmt: skip


TRANSCRIPT = [
    {"type": "summary", "summary": "a task"},
    said("user", 0, content="fix it"),
    answered(4, "m1", 900, 40, "Bash"),
    answered(4.5, "m1", 900, 60, "Read"),
    said("user", 6, content=[{"type": "tool_result"}]),
    said("user", 7, content=[{"type": "tool_result"}]),
    answered(9, "m2", 1200, 30),
]

AZURE_2023 = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2224670,879,55
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:00.017335+00:00,2399,6
"""
AZURE_LMM = """TIMESTAMP,NumImages,ContextTokens,GeneratedTokens
2024-10-15T12:00:00.269000Z,1,1500,80
2024-10-15T12:00:01.269000Z,0,300,20
"""

MOONCAKE = [
    {"timestamp": 0, "input_length": 1300, "output_length": 100, "hash_ids": [0, 1, 2]},
    {"timestamp": 3000, "input_length": 1100, "output_length": 50, "hash_ids": [0, 3, 4]},
    {"timestamp": 60000, "input_length": 1900, "output_length": 20, "hash_ids": [0, 1, 5, 6]},
]

WINDOWS = """category,workload,client_chunk,start_s,rate_rps,cv,iat_dist,param1,param2
reason,w,0,0,0.5,1.2,Gamma,0.7,3
reason,w,0,600,0.25,1.2,Weibull,0.8,3
reason,w,1,0,0.1,1,Exponential,1,1
reason,other,0,0,9,1,Gamma,1,1
"""
DATASET = [
    {"client_chunk": 0, "windows": {"0": {
        "input_tokens": "{100: 0.5, 200: 0.5}", "output_tokens": "{10: 1.0}", "reason_ratio": "{0.5: 1.0}"}}},
    {"client_chunk": 1, "windows": {"0": {
        "text_tokens": "{30: 1.0}", "image_tokens": "{500: 1.0}", "image_count": "{1: 1.0}", "output_tokens": "{20: 1}"}}},
]  # fmt: skip


def turn(number, start, size, out, blocks, **more):
    return {
        "gateway": "g", "turn": number, "endedAt": "2026-02-05T06:53:30Z", "startSeconds": start, "pool": "coder",
        "model": "m", "session": "s1", "root": "s1", "chain": 1, "client": "x-session-id", "outcome": "answered",
        "durationSeconds": 1.0, "promptTokens": size, "outputTokens": out, "promptBytes": 4 * size, "blocks": blocks,
    } | more  # fmt: skip


GATEWAY = [
    turn(1, 100.0, 1000, 100, [[1, 0, 3072], [-1, 0, 928]]),
    turn(2, 130.0, 1024, 40, [[1, 0, 3072], [5, 0, 1024]], session="s2", root="s2"),
    turn(3, 104.0, 1400, 80, [[1, 0, 5120], [-2, 0, 480]], gapSeconds=3.0, tenant="team"),
]


def jsonl(values):
    return "".join(json.dumps(value) + "\n" for value in values)


FILES = {
    "agentcgroup_llm_calls.csv": AGENTCGROUP,
    "claude_code_weka_requests.csv": CLAUDE_TABLE,
    "trace_0001.json": json.dumps(CLAUDE_SESSION),
    "sessions.jsonl": jsonl([CLAUDE_SESSION]),
    "pretty.json": json.dumps(CLAUDE_SESSION, indent=1),
    "trace.jsonl": jsonl(TRANSCRIPT),
    "azure2023.csv": AZURE_2023,
    "azure2024.csv": AZURE_2024,
    "lmm.csv": AZURE_LMM,
    "conversation_trace.jsonl": jsonl(MOONCAKE),
    "servegen_w_dataset.jsonl": jsonl(DATASET),
    "turns.jsonl": jsonl(GATEWAY),
}
"""File name and text; the name tells nothing that the content does not."""


def write(folder, name):
    """Write one of the files, with what must lie beside it."""
    path = folder / name
    path.write_text(FILES[name])
    if "servegen" in name:
        (folder / "servegen_client_rate_windows.csv").write_text(WINDOWS)
    return path
