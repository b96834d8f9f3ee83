"""A small question: one replica, a few minutes."""

from dataclasses import replace

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.study.question import Question

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


def fleet(replicas=1, watts=560.0, model=MODEL):
    endpoints = tuple(
        Endpoint(name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node="n1", gpus=(f"GPU-{i}",))
        for i in range(replicas)
    )
    pool = InferencePool(
        metadata=Metadata(name="coder"), spec=InferencePoolSpec(model=model, endpoints=endpoints)
    )
    box = PowerDomain(
        metadata=Metadata(name="box"), spec=PowerDomainSpec(nodes=("n1",), budget=Budget(watts=watts))
    )
    return Fleet((box,), (pool,))


def question(**changes):
    calm = Question(fleet=fleet(), origin="a box", product="h100-nvl", rate=0.05, hours=0.02, clock="full")
    return replace(calm, **changes)
