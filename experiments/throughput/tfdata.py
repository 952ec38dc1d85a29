"""tf.data's side: `python tfdata.py WORK`, with the fused decode and crop of its ImageNet codes."""

import sys
from pathlib import Path

import tensorflow as tf
from works import PHOTOGRAPHS, THREADS, WORKS, Work, rate, serve


class Photographs:
    """Batches of bytes, decoded in two threads."""

    def __init__(self, work: Work):
        paths = sorted(map(str, Path(PHOTOGRAPHS).glob("*/*")))

        def crop(path):
            content = tf.io.read_file(path)
            begin, size, _ = tf.image.sample_distorted_bounding_box(
                tf.image.extract_jpeg_shape(content), tf.zeros([0, 0, 4]),
                aspect_ratio_range=(3 / 4, 4 / 3), area_range=(0.08, 1.0), max_attempts=10,
                min_object_covered=0.0, use_image_if_no_bounding_boxes=True,
            )  # fmt: skip
            window = tf.concat([begin[:2], size[:2]], 0)
            image = tf.image.decode_and_crop_jpeg(content, window, channels=3)
            image = tf.image.resize(image, (work.size, work.size))
            return tf.cast(tf.image.random_flip_left_right(image), tf.uint8)

        data = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
        data = data.map(crop, num_parallel_calls=THREADS).batch(work.batch, drop_remainder=True)
        options = tf.data.Options()
        options.threading.private_threadpool_size = THREADS
        self._batches = iter(data.prefetch(1).with_options(options).as_numpy_iterator())

    def __call__(self) -> None:
        next(self._batches)

    def finish(self) -> None:
        """The threads read ahead; a batch that is there is done."""


if __name__ == "__main__":
    work = WORKS[sys.argv[1]]
    step = Photographs(work)
    for _ in range(2):
        step()
    serve(lambda: rate(step, work), versions={"tensorflow": tf.__version__})
