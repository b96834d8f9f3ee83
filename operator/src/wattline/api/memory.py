"""When memory comes before energy: part of an InferencePool and of the order to a node that runs one of its replicas."""

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import Spec


class Memory(Spec):
    """Shares of KV capacity at which behaviour changes (KAIROS, arXiv 2604.16682: alpha, gamma, beta)."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.protectAbove <= self.admitBelow && self.admitBelow <= self.neverAbove",
                    "message": "protectAbove <= admitBelow <= neverAbove is required",
                }
            ]
        }
    )

    protect_above: float = Field(default=0.75, gt=0, le=1)
    """alpha: above this resident share memory comes before energy."""

    admit_below: float = Field(default=0.90, gt=0, le=1)
    """gamma: new agents start only below this resident share."""

    never_above: float = Field(default=0.95, gt=0, le=1)
    """beta: no admission takes the resident share above this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.protect_above <= self.admit_below <= self.never_above:
            raise ValueError("protectAbove <= admitBelow <= neverAbove is required")
        return self
