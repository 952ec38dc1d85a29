"""Every key at its default: what the other files of this folder change.

`resnet_jax/assembly/sections.py` states each key once, with its domain, its default and its unit;
`python -m resnet_jax keys` lists them. A file of your own begins as those here do:

    from resnet_jax.configs import default

    def get_config():
        config = default.get_config()
        config.train.batch_size = 256
        return config
"""

from resnet_jax.assembly.sections import default as get_config

__all__ = ["get_config"]
