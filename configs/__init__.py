"""The configurations that come with the package, one a file: `--config=cifar10` or `import`.

A file of your own, anywhere, builds on one of them:

    from resnet_jax.configs import cifar10

    def get_config():
        config = cifar10.get_config()
        config.train.batch_size = 256
        return config
"""
