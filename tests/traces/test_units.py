"""Quantities with units: exact round values, and no guess where a spelling means two things."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.traces.errors import InputError, one_of, quoted
from headway.traces.units import UNITS, Quantity, convert, factor, parse


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("100 Mbit/s", "rate", 12_500_000.0),
        ("12.5MB/s", "rate", 12_500_000.0),
        ("1 bit/s", "rate", 0.125),
        ("1 MiB/s", "rate", 2.0**20),
        ("4 GiB", "size", 4 * 2.0**30),
        ("512 MB", "size", 512e6),
        ("0 B", "size", 0.0),
        ("2 ms", "time", 0.002),
        ("  3 min ", "time", 180.0),
        ("1e3 us", "time", 0.001),
        ("5 µs", "time", 0.000005),
        (".5 s", "time", 0.5),
        ("5. s", "time", 5.0),
        ("50 GFLOP/s", "compute", 50e9),
        ("25 %", "fraction", 0.25),
        ("57 %", "fraction", 0.57),
        ("0.3", "fraction", 0.3),
        (1, "fraction", 1.0),
        (0.25, "fraction", 0.25),
    ],
)
def test_a_quantity_has_exactly_the_si_value_that_is_written(
    text: object, quantity: Quantity, value: float
) -> None:
    assert parse(text, quantity, "here") == value


@given(st.integers(0, 10**6))
def test_whole_numbers_of_small_units_lose_nothing(number: int) -> None:
    assert parse(f"{number} ms", "time", "here") == number / 1000
    assert parse(f"{number} ns", "time", "here") == number / 10**9
    assert parse(f"{number} %", "fraction", "here") == number / 100
    assert parse(f"{number} kbit/s", "rate", "here") == number * 125


@pytest.mark.parametrize("unit", ["Mb", "Mbps", "MBps", "Mb/s", "mbit/s", "gb", "Gb", "gbps", "mbps", "KB/s"])
@pytest.mark.parametrize("quantity", ["rate", "size"])
def test_a_spelling_in_use_for_bits_and_bytes_is_refused(unit: str, quantity: Quantity) -> None:
    with pytest.raises(InputError, match=unit):
        parse(f"8 {unit}", quantity, "here")


@pytest.mark.parametrize("quantity", ["rate", "size"])
@pytest.mark.parametrize("unit", ["Mb", "Mbps", "MBps", "Mb/s", "mbit/s", "gb"])
def test_what_may_be_bits_or_bytes_is_not_hinted_at_either(unit: str, quantity: Quantity) -> None:
    with pytest.raises(InputError) as error:
        factor(unit, quantity, "here")
    assert "did you mean" not in str(error.value)


@pytest.mark.parametrize(
    ("unit", "quantity", "meant"),
    [("GFLOPS", "compute", "GFLOP/s"), ("msec", "time", "ms"), ("minutes", "time", "min")],
)
def test_a_unit_that_is_nearly_right_is_hinted_at(unit: str, quantity: Quantity, meant: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{meant}'"):
        factor(unit, quantity, "here")


@pytest.mark.parametrize(
    ("unit", "quantity", "hint"),
    [
        ("Mbps", "rate", "for bits write Mbit/s, for bytes MB/s"),
        ("MBps", "rate", "for bits write Mbit/s, for bytes MB/s"),
        ("gbps", "rate", "for bits write Gbit/s, for bytes GB/s"),
        ("Kb/s", "rate", "for bits write kbit/s, for bytes kB/s"),
        ("MB", "rate", "for bits write Mbit/s, for bytes MB/s"),
        ("Gb", "size", "for bytes write GB"),
        ("TOPS", "compute", "TOPS of integers are no FLOP/s"),
        ("GOPS/s", "compute", "TOPS of integers are no FLOP/s"),
    ],
)
def test_a_unit_of_data_sheets_is_answered_with_how_to_write_it(
    unit: str, quantity: Quantity, hint: str
) -> None:
    with pytest.raises(InputError) as error:
        parse(f"8 {unit}", quantity, "here")
    assert hint in str(error.value)


@pytest.mark.parametrize("quantity", ["time", "size", "rate", "compute"])
@pytest.mark.parametrize("bare", [5, 5.0, "5", "5 ", 0])
def test_a_bare_number_is_refused_where_a_unit_is_needed(quantity: Quantity, bare: object) -> None:
    with pytest.raises(InputError):
        parse(bare, quantity, "here")


@pytest.mark.parametrize("quantity", list(UNITS))
@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        [],
        "",
        " ",
        "fast",
        "s",
        "-1",
        "-1 s",
        "-2 MB/s",
        "nan",
        "nan s",
        "inf",
        "inf B",
        math.nan,
        math.inf,
        -0.5,
        10**400,
        "1e400",
        "1e308 TB",
        "1e308 TB/s",
        "1_000 s",
        "1,5 s",
        "1 2 s",
        "٣ s",
        "1" * 300 + " s",
    ],
)
def test_what_is_no_finite_non_negative_quantity_is_refused(quantity: Quantity, value: object) -> None:
    with pytest.raises(InputError, match="here") as caught:
        parse(value, quantity, "here")
    assert len(str(caught.value)) < 500


def test_a_unit_of_another_quantity_is_refused_and_the_right_ones_are_shown() -> None:
    with pytest.raises(InputError, match=r"GiB.*Mbit/s"):
        parse("4 GiB", "rate", "link.bandwidth")


@given(st.text(max_size=30) | st.floats() | st.integers() | st.booleans(), st.sampled_from(sorted(UNITS)))
def test_any_input_is_either_a_finite_quantity_or_an_input_error(value: object, quantity: Quantity) -> None:
    try:
        number = parse(value, quantity, "here")
    except InputError:
        return
    assert 0 <= number < math.inf


@given(st.floats(1e-6, 1e12))
def test_conversion_there_and_back_is_the_identity_up_to_rounding(number: float) -> None:
    for quantity, units in UNITS.items():
        for unit in units:
            value = convert(number, factor(unit, quantity, "here"))
            assert value / units[unit] == pytest.approx(number, rel=1e-15)


@given(st.text() | st.lists(st.integers()))
def test_a_value_in_a_message_is_short_and_on_one_line(value: object) -> None:
    assert len(quoted(value)) <= 80
    assert "\n" not in quoted(value)


def test_what_cannot_be_spelled_out_is_still_named_in_a_message() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert quoted(nested) == "a list too long to show"
    assert quoted(10**5000) == "a int too long to show"
    with pytest.raises(InputError):
        parse(10**5000, "fraction", "here")


def test_an_input_error_keeps_its_three_parts_through_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(InputError("a.yaml:3", "'fast'", "a rate")))
    assert (error.where, error.got, error.expected) == ("a.yaml:3", "'fast'", "a rate")
    assert str(error) == "a.yaml:3: got 'fast'; expected a rate"


def test_a_nearly_right_name_is_answered_with_the_right_one() -> None:
    assert one_of("ccv", ["csv", "mahimahi"]) == "one of csv, mahimahi (did you mean 'csv'?)"
    assert one_of("pcap", ["csv", "mahimahi"]) == "one of csv, mahimahi"
    assert one_of("zzz", [f"name{k}" for k in range(1000)]).endswith(", ...")
