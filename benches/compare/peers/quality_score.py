"""Scores compressed files of one clip against what the telephone line carried.

quality_score.py REFERENCE.ulaw --wide FILE... --narrow FILE...

Each FILE is a stereo file with REFERENCE on the left, wide ones at 16 kHz and narrow ones at 8 kHz. Prints a JSON object with a
list of both, an object to each FILE. Of a wide one: PESQ and ViSQOL of the left side, how many samples it lags, how loud it is
above 3.4 kHz beside the whole (dB), which the reference has too, and the levels of both sides (dB below full scale, RMS). Of a
narrow one: PESQ and ViSQOL, for which it is resampled, and how many samples it lags.
"""

import argparse
import json
import subprocess
import warnings

import numpy as np
from pesq import pesq
from scipy.signal import firwin, resample_poly
from visqol import VisqolApi

# What is said of a mapper that is not installed.
warnings.simplefilter("ignore")

LINE, FILE = 8000, 16000
# 160 dB down from 4.1 kHz on, flat to 3.9 kHz.
HALF_BAND = firwin(2001, 4000, window=("kaiser", 16), fs=FILE)


def decode(*arguments):
    """What ffmpeg makes of a file, a row to each channel."""
    command = ["ffmpeg", "-v", "error", "-nostdin", *arguments, "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout, np.float32).astype(float)


def line(path):
    return decode("-f", "mulaw", "-ar", str(LINE), "-i", path)


def lag(heard, reference):
    """By how many samples what is heard comes later than it should."""
    size = 1 << (len(heard) + len(reference)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size)), size)
    at = int(np.argmax(product))
    return at if at < size // 2 else at - size


def aligned(heard, by, length):
    heard = heard[by:] if by >= 0 else np.pad(heard, (-by, 0))
    return np.pad(heard, (0, max(0, length - len(heard))))[:length]


def decibel(power):
    return round(10 * float(np.log10(max(power, 1e-20))), 2)


def above(samples, hz):
    """Energy above a frequency beside the whole, in dB."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return decibel(power[int(len(samples) * hz / FILE) :].sum() / power.sum()) if power.any() else None


def narrow(wide):
    return resample_poly(wide, 1, 2, window=HALF_BAND)


def widen(narrow):
    return resample_poly(narrow, 2, 1, window=HALF_BAND)


def whole_numbers(samples):
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def score(path, reference, wide_reference, visqol):
    left, right = decode("-i", path).reshape(-1, 2).T
    late = lag(left, wide_reference)
    scores = {"lag": late}
    wide = aligned(left, late, len(wide_reference))
    if np.abs(reference).max() > 0.001:
        scores["pesq_nb"] = pesq(LINE, whole_numbers(reference), whole_numbers(narrow(wide)), "nb")
        scores["pesq_wb"] = pesq(FILE, whole_numbers(wide_reference), whole_numbers(wide), "wb")
        scores["visqol"] = visqol.measure_from_arrays(wide_reference, wide, FILE).moslqo
    scores["above_db"] = above(wide, 3400)
    scores["reference_above_db"] = above(wide_reference, 3400)
    scores["levels_db"] = [decibel(np.mean(side**2)) for side in (left, right)]
    return scores


def score_narrow(path, reference, wide_reference, visqol):
    left, _ = decode("-i", path).reshape(-1, 2).T
    late = lag(left, reference)
    heard = aligned(left, late, len(reference))
    return {
        "lag": late,
        "pesq_nb": pesq(LINE, whole_numbers(reference), whole_numbers(heard), "nb"),
        "visqol": visqol.measure_from_arrays(wide_reference, widen(heard), FILE).moslqo,
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("reference")
    arguments.add_argument("--wide", nargs="*", default=[])
    arguments.add_argument("--narrow", nargs="*", default=[])
    arguments = arguments.parse_args()
    visqol = VisqolApi()
    visqol.create(mode="speech", use_lattice_model=False)
    reference = line(arguments.reference)
    wide_reference = widen(reference)
    wide = [score(path, reference, wide_reference, visqol) for path in arguments.wide]
    narrow = [score_narrow(path, reference, wide_reference, visqol) for path in arguments.narrow]
    print(json.dumps({"wide": wide, "narrow": narrow}))


if __name__ == "__main__":
    main()
