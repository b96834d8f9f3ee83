"""Studies: questions to the simulator, their answers as files, comparisons, and sweeps over many of them."""
