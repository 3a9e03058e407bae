"""Mel scales at figures that their authors give, and filterbanks held against the definition."""

import numpy as np
import pytest

from edgec.artifacts.manifest import LogMel
from edgec.artifacts.mel import empty, filterbank, hertz, mel


def features(**options) -> LogMel:
    given = {"bands": 40, "window": 400, "hop": 160, "fft": 512, "fmin": 0.0, "fmax": 8000.0, **options}
    return LogMel(**given)


def test_a_thousand_hertz_are_a_thousand_mel_in_htk_and_fifteen_in_slaney():
    assert mel(1000, "htk") == pytest.approx(1000, abs=0.02)
    assert mel(700, "htk") == pytest.approx(2595 * np.log10(2))
    assert mel(1000, "slaney") == pytest.approx(15)
    assert mel(6400, "slaney") == pytest.approx(15 + 27)
    assert mel(500, "slaney") == pytest.approx(7.5)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_hertz_is_the_inverse(scale):
    for frequency in (0, 20, 440, 999, 1000, 1001, 4000, 20000):
        assert hertz(mel(frequency, scale), scale) == pytest.approx(frequency, abs=1e-6)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_neighbouring_triangles_add_up_to_one(scale):
    total = np.sum(filterbank(features(scale=scale), 16000), axis=0)
    bins = np.arange(257) * 16000 / 512
    first, last = hertz(mel(8000, scale) / 41, scale), hertz(mel(8000, scale) * 40 / 41, scale)
    assert np.allclose(total[(bins > first) & (bins < last)], 1)


def test_slaneys_norm_gives_every_band_the_same_area():
    bank = np.array(filterbank(features(norm="slaney", fft=65536, bands=10), 16000))
    assert np.allclose(bank.sum(axis=1) * 16000 / 65536, 1, atol=1e-3)


def test_bands_that_no_bin_falls_into_are_told():
    assert empty(filterbank(features(), 16000)) == []
    assert 0 in empty(filterbank(features(bands=128, fft=400), 16000))
