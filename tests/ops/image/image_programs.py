"""Short image programs, run alike on TensorFlow 1.15 (to record `image_golden.npz`) and here.

python tests/ops/image/image_programs.py tests/ops/image/image_golden.npz      # with TensorFlow 1.15
"""

import numpy as np

_R = np.random.RandomState(0)
_X = _R.rand(2, 5, 6, 3).astype(np.float32)
_U = _R.randint(0, 256, (4, 5, 3)).astype(np.uint8)
_BOXES = _R.rand(30, 4).astype(np.float32)
_SCORES = np.round(_R.rand(30), 2).astype(np.float32)  # with ties
_UNTIED = _SCORES + np.arange(30, dtype=np.float32) * np.float32(1e-4)
_CROPS = np.array([[0.1, 0.2, 0.7, 0.9], [-0.2, 0.5, 1.3, 0.6], [0.8, 0.9, 0.2, 0.1]], np.float32)
_LARGE = _R.rand(1, 15, 17, 1).astype(np.float32)


def programs(tf):
    """Name -> a function that gives the tensors to fetch."""
    image = tf.image
    found = {}
    for method in ("resize_bilinear", "resize_nearest_neighbor", "resize_bicubic"):
        for size in ([3, 4], [9, 14], [1, 7]):
            for align, half in ((False, False), (True, False), (False, True)):

                def resized(method=method, size=size, align=align, half=half):
                    x = tf.constant(_X)
                    y = getattr(image, method)(x, size, align_corners=align, half_pixel_centers=half)
                    return [y, tf.gradients(tf.reduce_sum(y * y * y), x)[0]]

                found[f"{method}-{size[0]}x{size[1]}-{align}-{half}"] = resized
    for align in (False, True):
        found[f"resize_area-{align}"] = lambda align=align: [
            image.resize_area(_X, size, align_corners=align) for size in ([3, 4], [9, 14], [1, 7])
        ]
    for method in ("bilinear", "nearest"):

        def cropped(method=method):
            x, boxes = tf.constant(_X), tf.constant(_CROPS)
            y = image.crop_and_resize(x, boxes, [0, 1, 1], [3, 2], method=method, extrapolation_value=0.5)
            return [y, *tf.gradients(tf.reduce_sum(y * y * y), [x, boxes])]

        found[f"crop_and_resize-{method}"] = cropped
    for name, pixels in (("float", _X), ("uint8", _U)):
        found[f"adjust-{name}"] = lambda pixels=pixels: [
            image.adjust_brightness(pixels, 0.3),
            image.adjust_contrast(pixels, 1.6),
            image.adjust_hue(pixels, 0.37),
            image.adjust_hue(pixels, -0.9),
            image.adjust_saturation(pixels, 1.7),
            image.adjust_saturation(pixels, 0.2),
            image.adjust_gamma(pixels, 0.7, 1.2),
            image.rgb_to_grayscale(pixels),
            image.per_image_standardization(pixels),
        ]
    found["colors"] = lambda: [
        image.rgb_to_hsv(_X),
        image.hsv_to_rgb(_X),
        image.rgb_to_yiq(_X),
        image.yiq_to_rgb(_X),
        image.rgb_to_yuv(_X),
        image.yuv_to_rgb(_X),
    ]
    found["convert"] = lambda: [
        image.convert_image_dtype(pixels, dtype, saturate=saturate)
        for pixels in (_U, _X * 1.2, _U.astype(np.int32) * 1000)
        for dtype in (tf.uint8, tf.float32, tf.float64)
        for saturate in (False, True)
    ]
    found["flip-random"] = lambda: [
        image.random_flip_left_right(_X, seed=3),
        image.random_flip_up_down(_X, seed=9),
        image.random_flip_left_right(_U, seed=1),
        image.random_brightness(_X, 0.3, seed=2),
        image.random_contrast(_X, 0.2, 1.8, seed=2),
        image.random_hue(_X, 0.3, seed=4),
        image.random_saturation(_U, 0.5, 1.5, seed=4),
    ]
    found["suppression"] = lambda: [
        image.non_max_suppression(_BOXES, _SCORES, 10),
        image.non_max_suppression(_BOXES, _SCORES, 40, 0.2, 0.3),
        image.non_max_suppression(_BOXES, _SCORES, 40, 0.0, 0.5),
        *image.non_max_suppression_with_scores(_BOXES, _SCORES, 40, 1.0, 0.1, 0.5),
        *image.non_max_suppression_with_scores(_BOXES, _SCORES, 40, 0.5, 0.05, 0.2),
        *image.non_max_suppression_padded(_BOXES, _SCORES, 30, 0.3, 0.4, True),
        *image.combined_non_max_suppression(
            np.tile(_BOXES[None, :, None] * 1.2, (2, 1, 1, 1)).astype(np.float32),
            np.stack([np.stack([_UNTIED, 0.77 - 0.7 * _UNTIED], 1)] * 2).astype(np.float32),
            4,
            6,
            0.3,
            0.2,
        ),
    ]
    found["draw"] = lambda: [
        image.draw_bounding_boxes(_X, np.stack([_CROPS, _CROPS[::-1]])),
        image.draw_bounding_boxes(
            _X, np.stack([_CROPS, _CROPS]), colors=np.float32([[1, 0, 0.5], [0.2, 0.3, 0.4]])
        ),
    ]
    found["glimpse"] = lambda: [
        image.extract_glimpse(_X, [2, 3], offsets, centered=centered, normalized=normalized)
        for offsets, centered, normalized in (
            ([[0.0, 0.0], [0.3, -0.3]], True, True),
            ([[1.0, 1.0], [-1.0, 1.0]], True, False),
            ([[0.3, 0.5], [0.4, 0.6]], False, True),
            ([[3.0, 4.0], [2.0, 3.0]], False, False),
        )
    ]
    found["quality"] = lambda: [
        image.total_variation(tf.constant(_X)),
        image.psnr(tf.constant(_X), tf.constant(_X * 0.9), 1.0),
        image.ssim(tf.constant(_LARGE), tf.constant(_LARGE * 0.9 + 0.01), 1.0),
        image.ssim_multiscale(
            tf.constant(_LARGE), tf.constant(_LARGE[:, :, ::-1]), 1.0, power_factors=(0.4, 0.6), filter_size=5
        ),
        image.sobel_edges(tf.constant(_X)),
        *image.image_gradients(tf.constant(_X)),
    ]
    for i, options in enumerate(
        (
            {"seed": 1},
            {"seed": 2, "min_object_covered": 0.5},
            {"seed": 3, "area_range": [0.3, 0.6], "aspect_ratio_range": [0.5, 2.0]},
            {"seed": 5, "min_object_covered": 0.95, "max_attempts": 7},
        )
    ):

        def sampled(options=options):
            boxes = np.array([[[0.1, 0.15, 0.6, 0.7], [0.5, 0.2, 0.9, 0.4]]], np.float32)
            return list(
                image.sample_distorted_bounding_box(np.array([37, 53, 3], np.int32), boxes, **options)
            )

        found[f"sampled-{i}"] = sampled
    return found


def run(tf, session_type, name, times=1):
    """The values of one program, of several runs one after another."""
    with tf.Graph().as_default(), session_type() as session:
        fetches = programs(tf)[name]()
        return [value for _ in range(times) for value in session.run(fetches)]


def times(name):
    """How often a program is run: those with a generator more than once."""
    return 3 if name.startswith(("sampled", "flip-random")) else 1


if __name__ == "__main__":
    import sys

    import tensorflow

    recorded = {}
    for title in programs(tensorflow):
        for number, array in enumerate(run(tensorflow, tensorflow.compat.v1.Session, title, times(title))):
            recorded[f"{title}.{number}"] = array
    np.savez_compressed(sys.argv[1], **recorded)
