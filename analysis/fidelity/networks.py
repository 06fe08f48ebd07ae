"""The network of a row: class, rate and delay, from texts such as "1 GbE, 0.226 ms"."""

import re
from dataclasses import dataclass

from headway.analysis.fidelity.texts import NUMBER, middle

_NUMBERS = rf"({NUMBER}(?:\s*[-/]\s*{NUMBER})*)"
_RATE = re.compile(rf"{_NUMBERS}\s*(Gbps|Mbps|Gbit/s|Mbit/s|GB/s(?:ec)?|MB/s)")
_BITS = {"Gbps": 1e9, "Mbps": 1e6, "Gbit/s": 1e9, "Mbit/s": 1e6, "GB/s": 8e9, "GB/sec": 8e9, "MB/s": 8e6}
_ETHERNET = re.compile(
    rf"({NUMBER}) GbE|RJ45 ({NUMBER}) Gbit/s|({NUMBER}) ?[Gg]bps Ethernet|QSFP ({NUMBER}) Gbit/s"
)
_DELAY = re.compile(rf"(?:(RTT) )?(<|under|about)? ?{_NUMBERS} ?(ms|us)\b(?: (RTT))?")
_INJECTED = re.compile(rf"\+ ({NUMBER}) ms (netem|sleep injected)(?: (before every .*|on \w+))?")
_SWITCHES = re.compile(rf"({NUMBER}) MB/s inside a group, ({NUMBER}) MB/s between groups")
_ASIDE = re.compile(r"\([^()]*(?:not published|models? \d)[^()]*\)")
_CLASSES: dict[str, tuple[str | None, str]] = {
    r"^\(?not ": (None, ""),
    _SWITCHES.pattern: ("ethernet-1g", ""),
    r"^none$": ("none", ""),
    r"loopback|docker bridge on one host": ("loopback", ""),
    r"PCIe": ("pcie", ""),
    r"RDMA over Thunderbolt 5|Thunderbolt 5, RDMA": ("rdma-thunderbolt-5", ""),
    r"RoCE|RDMA": ("roce", ""),
    r"Thunderbolt 5": ("thunderbolt-5", ""),
    r"Thunderbolt 4|USB4": ("thunderbolt-4", ""),
    r"Thunderbolt": ("thunderbolt-4", "Thunderbolt without a generation is taken as Thunderbolt 4"),
    r"VPC|VNet": ("vpc", ""),
    r"[Ii]nternet|WAN|Tailscale": ("wan", ""),
    r"Wi-Fi|hotspot": ("wifi-5", "Wi-Fi without a generation is taken as Wi-Fi 5"),
    r"ConnectX-7": ("ethernet-200g", ""),
    r"LAN|Ethernet|switch|link-local": ("ethernet-1g", "Ethernet without a speed is taken as 1 Gbit/s"),
}
"""Texts (regular expressions, in the order in which they are tried), class of link, and assumption."""

_WAN_FROM_S = 5e-3
"""Round trips from this long on are taken as a wide-area network."""


@dataclass(frozen=True)
class Network:
    """The network between the devices of a row; what the text does not state is None.

    Attributes:
        name: class of link in the library of links, such as "ethernet-1g"; "none" for a single device.
        rate_bit_s: rate of a link [bit/s].
        delay_s: one-way delay between two devices, without injected delay [s].
        uplink_bit_s: rate between two groups of devices [bit/s]; None without groups.
        injected_s: delay that was injected [s].
        injected_on: place of the injected delay as the text states it; empty for all messages.
        is_assumed: whether the class depends on an assumption.
        notes: assumptions and reasons, one sentence each.
    """

    name: str | None
    rate_bit_s: float | None = None
    delay_s: float | None = None
    uplink_bit_s: float | None = None
    injected_s: float = 0.0
    injected_on: str = ""
    is_assumed: bool = False
    notes: tuple[str, ...] = ()


def network(text: str) -> Network:
    """The network in a text."""
    name, assumption = _class(text)
    injected = _INJECTED.search(text)
    plain = _ASIDE.sub("", _INJECTED.sub("", text))
    rate, doubt = _rate(plain)
    delay, remark = _delay(plain, name)
    if name is None and rate is None and delay is not None and 2 * delay >= _WAN_FROM_S:
        name, assumption = "wan", "a network that is known by its round trip only is taken as a wide-area one"
    if name is None and rate is None:
        remark = remark or (f"the network {text!r} is not known" if text else "the network is blank")
    groups = _SWITCHES.search(text)
    return Network(
        name=name,
        rate_bit_s=float(groups[1]) * 8e6 if groups else rate,
        delay_s=delay,
        uplink_bit_s=float(groups[2]) * 8e6 if groups else None,
        injected_s=float(injected[1]) * 1e-3 if injected else 0.0,
        injected_on=(injected[3] or "") if injected else "",
        is_assumed=bool(assumption),
        notes=tuple(note for note in (assumption, doubt, remark) if note),
    )


def _class(text: str) -> tuple[str | None, str]:
    speed = _ETHERNET.search(text)
    if speed and "RDMA" not in text:
        return f"ethernet-{next(filter(None, speed.groups()))}g", ""
    return next((named for form, named in _CLASSES.items() if re.search(form, text)), (None, ""))


def _rate(text: str) -> tuple[float | None, str]:
    """Measured or stated rate [bit/s], and a remark."""
    match = _RATE.search(text)
    if match is None:
        speed = _ETHERNET.search(text)
        return (float(next(filter(None, speed.groups()))) * 1e9, "") if speed else (None, "")
    if "doubtful" in text:
        return None, f"the rate {match[0]!r} is doubtful and is not used"
    ends = [float(number) for number in re.findall(NUMBER, match[1])]
    remark = f"the middle of {match[0]} is used" if len(ends) > 1 else ""
    return middle(ends) * _BITS[match[2]], remark


def _delay(text: str, name: str | None) -> tuple[float | None, str]:
    """One-way delay [s], and a remark. A delay is a round trip unless the text calls it a delay of a link or hop."""
    matches = list(_DELAY.finditer(text))
    match = next(
        (one for one in matches if "averages" in text[: one.start()][-10:]), next(iter(matches), None)
    )
    if match is None:
        return None, ""
    if name is not None and "rdma" in name and "TCP ping" in text:
        return None, "the round trip was measured by TCP, not by RDMA, and is not used"
    ends = [float(number) for number in re.findall(NUMBER, match[3])]
    delay = middle(ends) * (1e-3 if match[4] == "ms" else 1e-6)
    remarks = [f"the middle of {match[3]} {match[4]} is used"] if len(ends) > 1 else []
    if match[2] in ("<", "under"):
        remarks.append("the stated delay is an upper bound")
    if "+ core router" in text:
        delay *= 4
        remarks.append("a path has 4 links: to a gateway, to the core, and back")
    is_one_way = re.search(r"per link|link latency|\bhop\b", text)
    return (delay if is_one_way else delay / 2), "; ".join(remarks)
