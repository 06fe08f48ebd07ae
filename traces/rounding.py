"""Rounding of random values, so that every machine draws the same."""

import numpy as np

from headway.traces.trace import FloatArray

BITS = 24
"""Significant bits of a random value: those of a number in single precision, about seven decimal digits."""


def rounded(values: FloatArray) -> FloatArray:
    """Values to `BITS` significant bits; to be applied to whatever came out of exp, log, cos, a transform or the like.

    These functions differ in the last of 53 bits from processor to processor (NumPy has versions of them for AVX-512
    and for others), from release to release of NumPy, and from C library to C library. After rounding, values differ
    only where the middle between two numbers of `BITS` bits is between them: one in 2**(53 - BITS), or 540 million, of
    those that differ by one last bit. In `fading`, where errors add up, it is a few times as many.

    Splitting off the exponent and rounding to a whole number are exact, so no machine rounds another way.

    Args:
        values: of any shape.
    """
    mantissa, exponent = np.frexp(values)
    whole: FloatArray = np.rint(np.ldexp(mantissa, BITS))
    return np.asarray(np.ldexp(whole, exponent - BITS))
