"""Number formats of weights, messages and caches, from texts such as "Q4_K_M (4.43 GiB)"."""

import re
from dataclasses import dataclass

from headway.analysis.fidelity.texts import NUMBER

_BLOCKS = {
    "Q40": 4.5,
    "Q80": 8.5,
    "Q4_0": 4.5,
    "Q4_1": 5.0,
    "Q5_0": 5.5,
    "Q5_1": 6.0,
    "Q8_0": 8.5,
    "IQ1_S": 1.5625,
    "IQ1_M": 1.75,
    "IQ2_XXS": 2.0625,
    "IQ2_XS": 2.3125,
    "IQ2_S": 2.5625,
    "IQ3_XXS": 3.0625,
    "IQ3_S": 3.4375,
    "IQ4_NL": 4.5,
    "IQ4_XS": 4.25,
    "MXFP4": 4.25,
    "F32": 32.0,
    "FP32": 32.0,
    "F16": 16.0,
    "FP16": 16.0,
    "BF16": 16.0,
    "W16A16": 16.0,
    "W8A16": 8.0,
}
"""Bits per weight of formats that store all weights alike.

Blocks of llama.cpp: the structures `block_*` in ggml/src/ggml-common.h, such as 32 numbers in 18 bytes for Q4_0 and 34
bytes for Q8_0. Q40 and Q80 are the blocks of distributed-llama, which are equal to these two.
"""

_MIXTURES = {
    "Q2_K": 3.17,
    "Q3_K_S": 3.65,
    "Q3_K_M": 4.00,
    "Q3_K_L": 4.31,
    "Q4_K_S": 4.67,
    "Q4_K_M": 4.85,
    "Q5_K_S": 5.57,
    "Q5_K_M": 5.70,
    "Q6_K": 6.57,
    "Q8_K_XL": 8.6,
    "UD-Q3_K_S": 3.5,
    "UD-Q4_K_XL": 4.7,
    "UD-Q6_K_XL": 6.6,
}
"""Bits per weight of files that mix formats.

The file sizes of an 8.03 G model that llama.cpp lists in tools/quantize/quantize.cpp, over its weights. The mean of
Q4_K_M is 4.82 to 4.92 for models of 7 to 70 G weights. Files of "UD" vary; the values are guesses for texts without the
size of the file.
"""

_GENERIC = {
    r"q4f16_1|INT4|4-bit|native 4-bit|Q4": 4.5,  # 4 bits and a 16-bit scale per 32 weights
    r"W4A16": 4.125,  # 4 bits and a 16-bit scale per 128 weights
    r"8-bit|INT8": 8.5,  # 8 bits and a 16-bit scale per 32 weights
    r"Q4K|Q4_K": 4.85,  # the mixture Q4_K_M
    r"Q5K?|Q5_K": 5.70,  # the mixture Q5_K_M
    r"Q3_K": 4.00,  # the mixture Q3_K_M
    r"IQ2XXS/Q2_K(?: GGUF)?": 2.34,  # equal parts of blocks of IQ2_XXS and of Q2_K
    r"ollama default tag": 4.85,  # Q4_K_M, the format of most default tags of ollama
}
"""Texts (regular expressions) that leave the format open, and the assumed bits per weight."""

_SIZE = re.compile(rf"\(({NUMBER}) (GiB|GB|MiB|MB)\b")
_UNITS = {"GiB": 2.0**30, "GB": 1e9, "MiB": 2.0**20, "MB": 1e6}


@dataclass(frozen=True)
class Precision:
    """A number format.

    Attributes:
        name: of the format; empty if it is not stated.
        bytes_per_number: mean size of a number; None if it is not known.
        total_bytes: size of all weights, where the text gives it; None otherwise.
    """

    name: str
    bytes_per_number: float | None
    total_bytes: float | None = None


def precision(text: str) -> Precision:
    """The format in a text; the first one if it names several."""
    size = _SIZE.search(text)
    total = float(size[1]) * _UNITS[size[2]] if size else None
    name = re.split(r"\s*\(|\s+streamed", text, maxsplit=1)[0].strip()
    if re.match(r"activations|not |GGUF", name):
        name = ""
    bits = (_BLOCKS | _MIXTURES).get(name.upper())
    if bits is not None:
        return Precision(name.upper(), bits / 8, total)
    bits = next((bits for form, bits in _GENERIC.items() if re.fullmatch(form, name, re.IGNORECASE)), None)
    return Precision(name, None if bits is None else bits / 8, total)
