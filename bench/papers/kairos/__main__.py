"""Prints the cheapest clocks of docs/explanation/world.md."""

from bench.papers.kairos.knees import lines

for line in lines():
    print(line)
