"""Members over three emulated devices beside runs of their own, for test_members."""

import json

import jax
from sweeps.test_members import assemblies, differences, trained_alone, trained_together

if __name__ == "__main__":
    # In float64 rounding is no excuse.
    jax.config.update("jax_enable_x64", True)
    exact = ",train.batch_size=24,dtype=float64"
    states, _ = trained_together(assemblies(exact), batched=False)
    found = [
        differences(state, trained_alone(assembly)[0])
        for state, assembly in zip(states, assemblies(exact), strict=True)
    ]
    print(json.dumps({"devices": jax.device_count(), "differences": found}))
