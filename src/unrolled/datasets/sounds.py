"""Synthetic sounds: tones that rise, fall or stay, in noise."""

import numpy as np

KINDS = ("steady", "rising", "falling")
LOW, HIGH = 0.04, 0.12  # frequencies in cycles per sample
GLIDE = 2.0  # a rising tone ends at so many times the frequency with which it starts


def tones(
    count: int,
    length: int,
    sound: int | None = None,
    noise: float = 0.1,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Sounds x (count, length, 1) float32, and their kinds y (count,) int64.

    y: 0 a steady tone, 1 a rising one (a chirp, whose frequency doubles), 2 a falling one (whose
    frequency halves), equally many of each as far as count allows, in random order. Mean frequency,
    phase and loudness are drawn for each sound without its kind. The frequency is a
    linear function of time, between 0.04 and 0.12 cycles per sample. sound: the samples that the
    tone lasts, from the first one on; noise alone follows. None: all of them. noise: standard
    deviation of the normal noise on every sample; a tone has an amplitude of 0.7 to 1. The same
    arguments give the same sounds. ValueError unless 1 <= sound <= length. Measured sequences come
    from `load_series`.
    """
    lasting = length if sound is None else sound
    if count < 1 or not 1 <= lasting <= length:
        raise ValueError(
            f"count, length, sound: expected count >= 1 and 1 <= sound <= length, came {count}, "
            f"{length} and {sound}."
        )
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(count) % len(KINDS))
    # The middle frequency is such that a rising and a falling tone stay between LOW and HIGH.
    lowest, highest = LOW * (1 + GLIDE) / 2, HIGH * (1 + 1 / GLIDE) / 2
    middle = rng.uniform(lowest, highest, count)  # cycles per sample
    slope = np.array([0, 1, -1])[y]
    end = middle * 2 * GLIDE / (1 + GLIDE)  # the higher of the two ends of a glide
    change = 2 * (end - middle) * slope  # from the first sample to the last
    t = np.arange(lasting)
    frequency = middle[:, None] + change[:, None] * (t / max(lasting - 1, 1) - 0.5)  # (N, sound)
    phase = rng.uniform(0, 1, (count, 1)) + np.cumsum(frequency, axis=1)  # in cycles
    amplitude = rng.uniform(0.7, 1, (count, 1))
    x = noise * rng.standard_normal((count, length))
    x[:, :lasting] += amplitude * np.sin(2 * np.pi * phase)
    return x[:, :, None].astype("float32"), y.astype("int64")
