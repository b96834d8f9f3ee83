"""Do roofline times hold on sizes that were left out: matrix products (Vidur) and whole prompts and steps (Splitwise)?

    python bench/fidelity/kernels.py shared/data/gpu

* Vidur: medians of the four matrix products of a layer by tokens and tensor parallelism, H100 and A100. Three numbers a
  model and GPU (share of bandwidth, share of arithmetic rate, seconds per launch), fitted to every second number of tokens
  at each parallelism, judged on the others; and fitted to parallelism 1, judged on 2, 4 and 8.
* Splitwise: prompt and token times of Llama-2-70B and BLOOM-176B through the engine's own step, fitted to every second
  prompt length of each GPU and parallelism, judged on the others. Rows marked pcap are a rule of its authors, no measurement,
  and are left out. Some batches of 64 take less time than those of 32, so the loss is one that such rows cannot lead.
"""

from collections import defaultdict
from dataclasses import replace
from statistics import median

import numpy as np
from data import folder, mark, middle, split, table, worst
from scipy.optimize import least_squares

from wattline.world.physics import Architecture, EnginePhysics, Fit
from wattline.world.products import A100, H100

PROMISE = 0.10
PARTS = ("attn_pre_proj", "attn_post_proj", "mlp_up_proj", "mlp_down_proj")


def vidur(path):
    """Return weights of a layer (parameters) by parallelism, and milliseconds by parallelism and tokens."""
    parameters, seconds = {}, defaultdict(list)
    for row in table(path):
        heads, kv, hidden, inner = (int(row[c]) for c in ("n_head", "n_kv_head", "n_embd", "n_expanded_embd"))
        ways, tokens = int(row["num_tensor_parallel_workers"]), int(row["num_tokens"])
        gated = 3 if row["use_gated_mlp"] == "True" else 2
        whole = hidden * (hidden + 2 * hidden * kv // heads) + hidden * hidden + gated * hidden * inner
        parameters[ways] = whole / ways
        times = [row[f"time_stats.{part}.median"] for part in PARTS]
        if all(times):
            seconds[ways, tokens].append(sum(map(float, times)) / 1e3)
    return parameters, {key: median(values) for key, values in seconds.items()}


def roofline(product, parameters, values, ways: int, tokens: int) -> float:
    bandwidth, rate, launch = values
    memory = 2 * parameters[ways] / (product.bandwidth_bytes_per_second * bandwidth)
    return max(memory, 2 * parameters[ways] * tokens / (product.flops_per_second * rate)) + launch


def fit_roofline(product, parameters, times, keys) -> np.ndarray:
    def residuals(values):
        return [roofline(product, parameters, values, *key) / times[key] - 1 for key in keys]

    tried = [
        least_squares(residuals, [0.7, rate, 5e-5], bounds=([0.1, 0.05, 0.0], [1.2, 1.0, 1e-3]), x_scale=[0.1, 0.1, 1e-5],
                      loss="soft_l1", f_scale=0.05)
        for rate in (0.3, 0.7)
    ]  # fmt: skip
    return min(tried, key=lambda one: one.cost).x


def matrices(data) -> None:
    print(
        "| Vidur, model | GPU | tokens left out | parallelism left out | shares of bandwidth and rate |\n|---|---|---|---|---|"
    )
    for path in sorted((data / "vidur").glob("compute__*")):
        _, gpu, _, model, _ = path.name.split("__")
        product = H100 if gpu == "h100" else A100
        parameters, times = vidur(path)
        fitted, _ = split(tokens for _, tokens in times)
        cells = []
        for keys in (
            [key for key in times if key[1] in fitted],
            [key for key in times if key[0] == 1],
        ):
            values = fit_roofline(product, parameters, times, keys)
            known = set(keys)
            off = [
                roofline(product, parameters, values, *key) / times[key] - 1
                for key in times
                if key not in known
            ]
            cells.append((f"{mark(middle(off), PROMISE)} of {len(off)} (worst {worst(off):+.0%})", values))
        print(
            f"| {model} | {gpu} | {cells[0][0]} | {cells[1][0]} | {cells[0][1][0]:.2f}, {cells[0][1][1]:.2f} |"
        )


LLAMA_2 = Architecture("llama2-70b", 138e9, 0.0, 1, 1, 69e9, 2 * 80 * 8 * 128 * 2, 4 * 80 * 64 * 128, 4096)
BLOOM = Architecture("bloom-176b", 352e9, 0.0, 1, 1, 176e9, 2 * 70 * 112 * 128 * 2, 4 * 70 * 112 * 128, 2048)


def splitwise(data):
    """Return milliseconds of prompt and token by prompt length and batch, for each model, GPU and parallelism."""
    found = defaultdict(lambda: defaultdict(list))
    for row in table(data / "splitwise_perf_model.csv.gz"):
        if not row["hardware"].endswith("pcap"):
            key = row["model"], row["hardware"], int(row["tensor_parallel"])
            times = float(row["prompt_time"]) / 1e3, float(row["token_time"]) / 1e3
            found[key][int(row["prompt_size"]), int(row["batch_size"]), int(row["token_size"])].append(times)
    return {
        key: {at: tuple(map(median, zip(*times, strict=True))) for at, times in rows.items()}
        for key, rows in found.items()
    }


def steps(physics: EnginePhysics, at: tuple[int, int, int]) -> tuple[float, float]:
    prompt, batch, output = at
    first = physics.step(0, 0, prefill_tokens=prompt * batch, prefill_context_tokens=prompt / 2)
    after = physics.step(batch, batch * (prompt + output / 2))
    return first.step_seconds(1.0), after.step_seconds(1.0)


def serving(data) -> None:
    print("\n| Splitwise | rows left out | prompt | token |\n|---|---|---|---|")
    for (model, hardware, ways), rows in sorted(splitwise(data).items()):
        product = H100 if hardware.startswith("h100") else A100
        base = EnginePhysics(
            LLAMA_2 if model == "llama2-70b" else BLOOM, product, ways, Fit(0.7, 0.5, 0.005, 1e-5, 0, 0), 1
        )
        fitted, _ = split(prompt for prompt, _, _ in rows)

        def engine(values, base=base):
            return replace(base, fit=Fit(*values, 0.0, 0.0))

        def off(values, keys, rows=rows, engine=engine):
            physics = engine(values)
            return [
                (first / rows[at][0] - 1, after / rows[at][1] - 1)
                for at in keys for first, after in [steps(physics, at)]
            ]  # fmt: skip

        known = [at for at in rows if at[0] in fitted]
        tried = [
            least_squares(
                lambda values, off=off, known=known: np.ravel(off(values, known)), [0.7, rate, fixed, 1e-4],
                bounds=([0.1, 0.05, 0.0, 0.0], [1.2, 1.0, 0.1, 2e-3]), x_scale=[0.1, 0.1, 0.01, 1e-4], loss="cauchy",
                f_scale=0.05,
            )
            for rate in (0.2, 0.4, 0.8) for fixed in (0.002, 0.02)
        ]  # fmt: skip
        found = min(tried, key=lambda one: one.cost)
        left = off(found.x, [at for at in rows if at[0] not in fitted])
        cells = [
            f"{mark(middle(part), PROMISE)} (worst {worst(part):+.0%})" for part in zip(*left, strict=True)
        ]
        print(f"| {model}, {hardware} × {ways} | {len(left)} | {' | '.join(cells)} |")


def main() -> None:
    matrices(folder())
    serving(folder())


if __name__ == "__main__":
    main()
