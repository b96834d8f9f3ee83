"""Which measurements the engines were fitted to, and what was served while they were taken.

The data is ML.ENERGY's leaderboard (v3, H100); it is not part of this repository. Its columns give batch size and
answer length, not prompt length. That is derived where memory bounds the batch: KV capacity divided by the
average batch size gives the mean context, less half an answer is the prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wattline.world.steady import Service

PROMPT_TOKENS: Mapping[str, int] = {
    "lm-arena-chat": 280,  # Llama-3.1-70B ×4, batch 1024: 412 k tokens for 898 sequences
    "gpqa": 250,  # [assumption] a question with four answers; no row is bound by memory
    "sourcegraph-fim": 850,  # Qwen3-Coder-30B, batch 96 on one GPU and 768 on two: 780 and 870
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One model and task on so many H100s."""

    model: str
    task: str
    gpus: int

    def rows(self, table: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
        """Return its rows, smallest batch first."""
        mine = [
            row
            for row in table
            if (row["model_id"], row["task"], row["gpu_model"]) == (self.model, self.task, "H100")
            and int(row["num_gpus"]) == self.gpus
        ]
        return sorted(mine, key=lambda row: int(row["max_num_seqs"]))

    @staticmethod
    def split(rows: Sequence[Mapping[str, str]]) -> tuple[list[Mapping[str, str]], list[Mapping[str, str]]]:
        """Return the rows of every second batch size, which are fitted, and the others, which judge the fit."""
        sizes = sorted({int(row["max_num_seqs"]) for row in rows})
        fitted = set(sizes[::2])
        return (
            [row for row in rows if int(row["max_num_seqs"]) in fitted],
            [row for row in rows if int(row["max_num_seqs"]) not in fitted],
        )


MEASURED = (
    Measured("Qwen/Qwen3-14B", "lm-arena-chat", 1),
    Measured("meta-llama/Llama-3.1-70B-Instruct", "lm-arena-chat", 4),
    Measured("openai/gpt-oss-20b", "gpqa", 1),
    Measured("Qwen/Qwen3-Coder-30B-A3B-Instruct", "sourcegraph-fim", 1),
    Measured("Qwen/Qwen3-Coder-30B-A3B-Instruct", "sourcegraph-fim", 2),
)


def service_of(row: Mapping[str, str]) -> Service:
    """Return what was served while a row was measured."""
    return Service(
        sequences=float(row["avg_batch_size"]),
        prompt_tokens=PROMPT_TOKENS[row["task"]],
        output_tokens=float(row["avg_output_len"]),
    )
