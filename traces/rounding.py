"""Rounding of random values, so that every machine draws the same values."""

import numpy as np

from headway.traces.trace import FloatArray

BITS = 24
"""Significant bits of a random value: those of a number in single precision, about seven decimal digits."""


def rounded(values: FloatArray) -> FloatArray:
    """Round values to `BITS` significant bits; for results of exp, log, cos, transforms and similar functions.

    These functions differ in the last of 53 bits from processor to processor (NumPy has versions of them for AVX-512
    and for others), from release to release of NumPy, and from C library to C library. Rounded values differ only if
    the middle between two numbers of `BITS` bits lies between the originals: for one in 2**(53 - BITS), or 540 million,
    of those that differ in the last bit. In `fading`, where errors add up, there are a few times as many.

    Splitting off the exponent and rounding to a whole number are exact, so all machines round the same way.

    Args:
        values: of any shape.
    """
    mantissa, exponent = np.frexp(values)
    whole: FloatArray = np.rint(np.ldexp(mantissa, BITS))
    return np.asarray(np.ldexp(whole, exponent - BITS))
