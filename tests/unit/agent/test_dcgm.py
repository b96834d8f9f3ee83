"""Readings in the shape of dcgm-exporter, as NVIDIA's aiperf reads them."""

import re

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.agent.rig import rig, spec

from wattline.api.powernode import PodGpus
from wattline_agent.dcgm import exposition

PODS = (PodGpus(namespace="agents", name='co"der', gpus=("G1",)),)


def samples(text: str) -> dict[tuple[str, str], tuple[float, dict[str, str]]]:
    """Parse like aiperf does: by prometheus_client, and the GPU's index from a label."""
    return {
        (sample.name.removesuffix("_total"), sample.labels["gpu"]): (sample.value, sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_power_and_energy_are_in_watts_and_millijoules(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.gpus["G1"].energy_joules = 1234.5678
    here.run(1.0)
    found = samples(exposition(here.view(), "n1", PODS))

    assert found["DCGM_FI_DEV_POWER_USAGE", "0"][0] == 400.0
    assert found["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "1"][0] == 1234567.8
    assert found["DCGM_FI_DEV_GPU_TEMP", "0"][0] == 50.0
    assert found["DCGM_FI_DEV_SM_CLOCK", "0"][0] > 0
    assert found["DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "0"][0] < 500.0


def test_labels_name_the_gpu_the_node_and_the_pod(tmp_path):
    here = rig(tmp_path).run(0.4)
    found = samples(exposition(here.view(), "n1", PODS))

    assert found["DCGM_FI_DEV_POWER_USAGE", "1"][1] == {
        "gpu": "1",
        "UUID": "G1",
        "device": "nvidia1",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "n1",
        "pod": 'co"der',
        "namespace": "agents",
    }
    assert found["DCGM_FI_DEV_POWER_USAGE", "0"][1]["pod"] == ""


def test_every_metric_has_its_type_and_no_counter_ends_in_total(tmp_path):
    text = exposition(rig(tmp_path).run(0.4).view(), "n1", ())

    assert "# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter" in text
    assert not re.search(r"^DCGM\w+_total", text, re.MULTILINE)
    assert text.count("# HELP") == text.count("# TYPE")


def test_a_lost_gpu_is_absent(tmp_path):
    here = rig(tmp_path).run(0.4)
    here.device.gpus["G0"].lost = True
    here.run(0.4)
    found = samples(exposition(here.view(), "n1", ()))

    assert {gpu for _, gpu in found} == {"1"}
