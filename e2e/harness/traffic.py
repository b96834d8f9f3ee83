"""Agents for the suites: runs of a few turns through the gateway, as any client makes them."""

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

WORDS_OF_A_TURN = 60
HELLO = [{"role": "user", "content": "say something " * 20}]
"""A first turn."""


class Agents:
    """Clients of one gateway that ask for one model."""

    def __init__(self, gateway: str, model: str, workflow: str | None = None) -> None:
        self._gateway = gateway
        self._model = model
        self._workflow = workflow

    def runs(self, names: list[str], turns: int, *, at_once: int = 4) -> int:
        """Play runs to their end; return how many turns were answered."""
        with ThreadPoolExecutor(at_once) as pool:
            return sum(pool.map(lambda name: self.run(name, turns), names))

    def run(self, name: str, turns: int) -> int:
        """Play one run, its context growing with each turn; return how many turns were answered."""
        messages = [{"role": "user", "content": f"{name}: " + "read the code and say what is wrong. " * 40}]
        answered = 0
        for _ in range(turns):
            status, body = self.ask(name, messages)
            if status != 200:
                break
            answered += 1
            messages.append(body["choices"][0]["message"])
            messages.append({"role": "user", "content": "the tool said: " + "it works. " * 80})
        self._call(f"/finish_session?session_id={name}", {}, b"")
        return answered

    def answered(self, session: str) -> bool:
        """Whether a first turn has an answer."""
        return self.ask(session, HELLO)[0] == 200

    def ask(
        self, session: str, messages: list[dict[str, Any]], *, model: str | None = None
    ) -> tuple[int, Any]:
        """Make one call; return its status and its answer."""
        headers = {"x-wattline-session": session, "Content-Type": "application/json"}
        if self._workflow is not None:
            headers["x-wattline-workflow"] = self._workflow
        body = {"model": model or self._model, "messages": messages, "max_tokens": WORDS_OF_A_TURN}
        return self._call("/v1/chat/completions", headers, json.dumps(body).encode())

    def _call(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self._gateway}{path}", body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
