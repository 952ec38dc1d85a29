"""Every analysis by its name; a row's keyword parameters are its options."""

from collections.abc import Callable

from resnet_jax.analysis.studies import (
    cost,
    generalisation,
    gradient_flow,
    landscape,
    lesion,
    receptive_field,
    sharpness,
    similarity,
)
from resnet_jax.reporting.findings import Findings

ANALYSES: dict[str, Callable[..., Findings]] = {
    "gradient_flow": gradient_flow.study,
    "lesion": lesion.study,
    "landscape": landscape.study,
    "receptive_field": receptive_field.study,
    "similarity": similarity.study,
    "sharpness": sharpness.study,
    "cost": cost.study,
    "generalisation": generalisation.study,
}
