"""A small engine with state: prefix cache of whole prompts, failures on command, vLLM's metrics."""

import asyncio
import json
from collections import Counter

from aiohttp import web


class Backend:
    """One engine; one token is four bytes of prompt content, an answer is ``answer_tokens`` words."""

    def __init__(self, name="e0", *, capacity_tokens=100_000, answer_tokens=4):
        self.name = name
        self.capacity_tokens = capacity_tokens
        self.answer_tokens = answer_tokens
        self.step_seconds = 0.0
        self.gate = None
        """Event that answers wait for after their first token."""
        self.die_after_tokens = None
        self.close_before_answer = 0
        """Connections to cut before anything is answered."""
        self.status = 200
        self.running = 0
        self.aborted = 0
        self.requests = []
        self.totals = Counter()
        self.seen = []
        self.extra_running = 0

    async def start(self, port=0):
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.chat)
        app.router.add_get("/metrics", self.metrics)
        self.runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.05)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", port)
        await site.start()
        self.port = self.runner.addresses[0][1]
        return self

    async def stop(self):
        await self.runner.cleanup()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def metrics(self, request):
        blocks = self.capacity_tokens // 16
        return web.Response(
            text=f'vllm:num_requests_running{{engine="0"}} {self.running + self.extra_running}\n'
            f'vllm:num_requests_waiting{{engine="0"}} 0\n'
            f'vllm:prompt_tokens_total{{engine="0"}} {self.totals["prompt"]}\n'
            f'vllm:generation_tokens_total{{engine="0"}} {self.totals["generation"]}\n'
            f'vllm:prefix_cache_hits_total{{engine="0"}} {self.totals["cached"]}\n'
            f'vllm:cache_config_info{{block_size="16",num_gpu_blocks="{blocks}"}} 1\n'
        )

    async def chat(self, request):
        if self.close_before_answer > 0:
            self.close_before_answer -= 1
            request.transport.abort()
            await asyncio.sleep(1)
        raw = await request.read()
        body = json.loads(raw)
        self.requests.append((dict(request.headers), body, raw))
        if self.status != 200:
            return web.json_response(
                {"error": {"message": "engine says no", "code": self.status}}, status=self.status
            )
        text = "".join(str(m.get("content")) for m in body.get("messages", ())) or str(body.get("prompt"))
        prompt = max(1, len(text) // 4)
        cached = max((_shared(text, old) for old in self.seen), default=0) // 4
        self.seen.append(text)
        self.running += 1
        try:
            return await self.answer(request, body, prompt, min(cached, prompt))
        except (asyncio.CancelledError, ConnectionError):
            self.aborted += 1
            raise
        finally:
            self.running -= 1

    async def answer(self, request, body, prompt, cached):
        count = body.get("max_tokens") or self.answer_tokens
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": count,
            "total_tokens": prompt + count,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        self.totals.update({"prompt": prompt, "cached": cached, "generation": count})
        head = {"id": "cmpl-1", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            await self.pause(count)
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": "word " * count},
                "finish_reason": "stop",
            }
            return web.json_response(
                head | {"object": "chat.completion", "choices": [choice], "usage": usage}
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for index in range(count):
            if self.die_after_tokens is not None and index >= self.die_after_tokens:
                request.transport.abort()
                return response
            choice = {
                "index": 0,
                "delta": {"content": "word "},
                "finish_reason": "stop" if index + 1 == count else None,
            }
            await self.event(response, head | {"object": "chat.completion.chunk", "choices": [choice]})
            await self.pause(1)
        if (body.get("stream_options") or {}).get("include_usage"):
            await self.event(
                response, head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}
            )
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def pause(self, tokens):
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(self.step_seconds * tokens)

    async def event(self, response, body):
        await response.write(b"data: " + json.dumps(body).encode() + b"\n\n")


def _shared(one, other):
    end = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        end += 1
    return end
