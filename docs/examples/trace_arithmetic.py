"""Operations on a trace: its value, its integral, and the time at which the integral reaches a number of bytes."""

from headway.traces import Trace, parse

fast, slow = parse("80 Mbit/s", "rate", "fast"), parse("8 Mbit/s", "rate", "slow")
# Fast for two seconds, slow for one, zero for one; then it repeats.
link = Trace([0.0, 2.0, 3.0], [fast, slow, 0.0], end="loop", duration=4.0)

for time_s in (0.0, 2.5, 3.5, 6.5):
    print(f"at {time_s} s it carries {link.value(time_s) / 1e6:.0f} MB/s")

carried = link.integral(1.0, 5.0)
print(f"from 1 s to 5 s it carries {carried / 1e6:.0f} MB, which is {link.mean(1.0, 5.0) / 1e6:.2f} MB/s")

done_s = link.reach(1.0, 12e6)
print(f"12 MB that start at 1 s are through at {done_s:.1f} s")

once = Trace([0.0, 2.0], [fast, slow], end="zero", duration=3.0)
print(f"30 MB over a link that ends after 3 s are through at {once.reach(0.0, 30e6)} s")
