"""The demonstration: every part as a real process on simulated GPUs, three ways of running one fleet."""
