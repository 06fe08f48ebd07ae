"""A custom scheduler: two sequences at a time, compared with one."""

from headway import policies
from headway.simcore import (
    Cluster,
    DecodeCost,
    Device,
    Link,
    Queue,
    Request,
    Scenario,
    preset,
    simulate,
)
from headway.traces import Trace


class TwoAtATime:
    """Each step contains the two oldest sequences, each with all its missing tokens."""

    name = "two-at-a-time"

    def next_step(self, queue: Queue) -> dict[int, int]:
        return {sequence.request: sequence.missing for sequence in queue.sequences[:2]}


SCHEDULER = TwoAtATime()


def lab(scheduler: TwoAtATime | str) -> Scenario:
    """A laptop and two boards that receive four requests almost simultaneously."""
    boards = tuple(
        Device(name=name, memory_bytes=1e9, flops=40e9, memory_bandwidth=4e9)
        for name in ("laptop", "board-1", "board-2")
    )
    links = tuple(
        Link(
            name=f"wire-{i}",
            ends=("laptop", board.name),
            bandwidth=Trace.constant(125e6),
            latency_s=0.2e-3,
        )
        for i, board in enumerate(boards[1:], 1)
    )
    model = preset("gpt2")
    return Scenario(
        name="four-people",
        model=model,
        cost=DecodeCost(model),
        cluster=Cluster(devices=boards, links=links, source="laptop"),
        requests=tuple(Request(prompt=32, output=24, arrival_s=0.1 * i) for i in range(4)),
        scheduler=scheduler,
    )


if __name__ == "__main__":
    for scheduler in ("fcfs", SCHEDULER):
        result = simulate(lab(scheduler), policies.create("static"))
        requests, tokens = result.requests, result.tokens
        ttft_s = (requests["first_token_s"] - requests["arrival_s"]).mean()
        tpot_s = tokens.loc[tokens["token"] > 0, "latency_s"].mean()
        name = getattr(scheduler, "name", scheduler)
        print(
            f"{name}: first token after {ttft_s:.2f} s, {1e3 * tpot_s:.1f} ms a token, "
            f"all done at {requests['finish_s'].max():.2f} s"
        )
