"""WAV files and what speech models compute from them, against numbers of TensorFlow 1.15.5."""

import numpy as np
import pytest

import millrace as tf

raw = tf.raw_ops


def run(fetches):
    with tf.Session() as sess:
        return sess.run(fetches)


def refused(file):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        run(tf.audio.decode_wav(file).audio)
    return str(caught.value)


SOUND = (np.sin(np.arange(2000) / 5.0) * 0.7).reshape(1000, 2).astype("f")


def test_there_and_back():
    file = tf.audio.encode_wav(SOUND, 16000)
    sound, rate = run(tf.audio.decode_wav(file))
    assert (sound.shape, sound.dtype, rate) == ((1000, 2), np.float32, 16000)
    np.testing.assert_allclose(sound, SOUND, atol=1 / 65536)
    encoded = run(file)
    assert encoded[:4] == b"RIFF"
    assert len(encoded) == 44 + 4000


def test_samples_are_rounded_and_cut_off():
    column = np.float32([[1.5], [-2], [0.5], [-0.5], [0.99999], [0.3333333]])
    encoded = run(tf.audio.encode_wav(column, 8000))
    assert np.frombuffer(encoded[44:], "<i2").tolist() == [32767, -32768, 16384, -16384, 32767, 10923]


def test_wanted_sizes():
    file = tf.audio.encode_wav(SOUND, 16000)
    found = tf.audio.decode_wav(file, desired_channels=1, desired_samples=1200)
    assert found.audio.shape == (1200, 1)
    sound = run(found.audio)
    np.testing.assert_allclose(sound[:1000, 0], SOUND[:, 0], atol=1 / 65536)
    assert not sound[1000:].any()
    more = run(tf.audio.decode_wav(file, desired_channels=3, desired_samples=500).audio)
    assert more.shape == (500, 3)
    np.testing.assert_array_equal(more[:, 1], more[:, 2])


def test_files_that_are_none():
    file = run(tf.audio.encode_wav(SOUND, 16000))
    assert "too short" in refused(b"RIFF")
    assert "Expected RIFF but found b'RIFX'" in refused(b"RIFX" + file[4:])
    assert "Expected WAVE" in refused(file[:8] + b"WAVX" + file[12:])
    assert "no format chunk" in refused(file[:12])
    assert "no data chunk" in refused(file[:36])
    assert "before its format" in refused(file[:12] + file[36:])
    assert "Bad format chunk size" in refused(file[:16] + b"\x04" + file[17:])
    assert "Bad audio format for WAV: Expected 1" in refused(file[:20] + b"\x07" + file[21:])
    assert "16-bit" in refused(file[:34] + b"\x08" + file[35:])
    assert "Bad bytes per sample" in refused(file[:22] + b"\x03" + file[23:])
    assert "4000 bytes are announced" in refused(file[:-1])
    with pytest.raises(ValueError, match="desired_samples must be non-negative"):
        tf.audio.decode_wav(file, desired_samples=-2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be > 0"):
        run(tf.audio.encode_wav(SOUND, 0))


def test_unknown_chunks_are_passed_over():
    file = run(tf.audio.encode_wav(SOUND, 16000))
    extra = file[:36] + b"LIST" + (3).to_bytes(4, "little") + b"abc\0" + file[36:]
    np.testing.assert_array_equal(run(tf.audio.decode_wav(extra).audio), run(tf.audio.decode_wav(file).audio))


def test_speech():
    sound, rate = tf.audio.decode_wav(
        tf.audio.encode_wav(SOUND, 16000), desired_channels=1, desired_samples=1200
    )
    energies = raw.AudioSpectrogram(input=sound, window_size=480, stride=160, magnitude_squared=True)
    assert energies.shape == (1, 5, 257)
    full = raw.Mfcc(spectrogram=energies, sample_rate=rate, dct_coefficient_count=40)
    some = raw.Mfcc(
        spectrogram=energies,
        sample_rate=rate,
        filterbank_channel_count=20,
        upper_frequency_limit=7000.0,
        lower_frequency_limit=100.0,
    )
    energies, full, some = run([energies, full, some])
    np.testing.assert_allclose(energies.sum(), 55993.19140625, rtol=1e-6)
    wanted = [
        -42.38439178466797,
        3.466503620147705,
        -14.967864990234375,
        -3.8277390003204346,
        6.372641563415527,
    ]
    np.testing.assert_allclose(full[0, 0, :5], wanted, rtol=1e-4)
    wanted = [
        -24.881263732910156,
        7.256646633148193,
        -5.204928398132324,
        -9.458684921264648,
        -3.4432497024536133,
    ]
    np.testing.assert_allclose(some[0, 0, :5], wanted, rtol=1e-4)
    np.testing.assert_allclose(
        [full.sum(), some.sum()], [-214.84921264648438, -124.69808197021484], rtol=1e-4
    )


def test_speech_refuses():
    with pytest.raises(ValueError, match="window_size must be at least 2"):
        raw.AudioSpectrogram(input=SOUND, window_size=1, stride=1)
    energies = np.ones((1, 2, 9), "f")
    with pytest.raises(tf.errors.InvalidArgumentError, match="initialization failed"):
        run(raw.Mfcc(spectrogram=energies, sample_rate=16000, upper_frequency_limit=5.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="dct_coefficient_count"):
        run(raw.Mfcc(spectrogram=energies, sample_rate=16000, dct_coefficient_count=50))
