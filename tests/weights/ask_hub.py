"""Answers each line of input, which says what to do, with a line of JSON.

The process asks the hub that HF_ENDPOINT names, which huggingface_hub reads when it is imported.
"""

import contextlib
import io
import json
import sys
from typing import Any

import numpy as np
from command_line import call

from resnet_jax import models
from resnet_jax.tables import UserError


def summary(loaded: Any) -> dict[str, Any]:
    variables = loaded.variables["params"]
    return {
        "classes": loaded.model.classes,
        "stem": float(np.asarray(variables["stem_conv1"]["kernel"], np.float64).sum()),
        "head": list(variables["head"]["kernel"].shape),
        "preprocessing": loaded.preprocessing,
    }


WAYS = {
    "load": lambda name, file, **options: summary(models.load(name, file, **options)),
    "create": lambda name, pretrained, **options: summary(
        models.create(name, pretrained=pretrained, **options)
    ),
    "verb": lambda verb, *arguments: call(verb, *arguments),
}

for line in sys.stdin:
    way, arguments, options = json.loads(line)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            answer = {"answer": WAYS[way](*arguments, **options)}
        except UserError as error:
            answer = {"mistake": str(error)}
    print(json.dumps({**answer, "said": said.getvalue()}))
