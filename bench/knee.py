"""Where a token costs the least energy: clock, saving and speed by product, load and clock–power shape, as a table."""

from wattline.world.curve import SHAPES
from wattline.world.engines import ENGINES
from wattline.world.knee import knee
from wattline.world.power import PowerModel
from wattline.world.steady import Service

CODER = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
ROWS = (
    (CODER, "h100-nvl", 1), (CODER, "h100", 2), (CODER, "h200", 1), (CODER, "a100", 2), ("Qwen/Qwen3-14B", "h100", 1),
)  # fmt: skip
SEQUENCES = (1, 4, 16, 48)


def main() -> None:
    print("| model, product × GPUs | shape |", " | ".join(f"{n} running" for n in SEQUENCES), "|")
    print("|---|---|" + "---|" * len(SEQUENCES))
    for key in ROWS:
        physics = ENGINES[key]
        for shape in SHAPES.values():
            power = PowerModel(physics.product, shape)
            cells = []
            for sequences in SEQUENCES:
                service = Service(sequences, prompt_tokens=600, output_tokens=200, cached_tokens=8000)
                found = knee(physics, power, service)
                cells.append(f"{found.clock_mhz} MHz, −{found.saving_ratio:.0%}, {found.rate_ratio:.0%}")
            name = f"{key[0].split('/')[1]}, {key[1]} × {key[2]}"
            print(f"| {name} | {shape.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
