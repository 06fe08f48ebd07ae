"""The shipped scenario `moving-layers`: its runs equal closed forms, and the committed predictions are its own."""

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from headway import policies
from headway.simcore import (
    DecodeCost,
    Result,
    Scenario,
    load_scenario,
    one_sequence,
    shipped_scenario,
    simulate,
)
from headway.simcore.world.blocks import Kind
from headway.simcore.world.device_time import Roofline

DOCS = Path(__file__).parents[2] / "docs"
SLOW = 1 / 0.4
SLOW_S, NETWORK_S, LOSS_S = (30.0, 90.0), (120.0, 180.0), (210.0, 270.0)
POLICIES = ("pinned", "sum-of-stages")


@cache
def world() -> Scenario:
    return load_scenario(shipped_scenario("moving-layers"))


@cache
def run(policy: str) -> Result:
    choice = next(one for one in world().policies if one.name == policy)
    return simulate(world(), policies.create(policy, **choice.parameters))


def tokens(policy: str, period_s: tuple[float, float]) -> pd.DataFrame:
    """Decoded tokens that begin and end within a period, without those that wait for a move."""
    rows = run(policy).tokens
    inside = (rows["start_s"] >= period_s[0]) & (rows["start_s"] + rows["latency_s"] < period_s[1])
    return rows[inside & (rows["token"] > 0) & (rows["migration_s"] == 0.0)]


def closed_form(token: int, layers: tuple[int, int], slow: float = 1.0, delay_s: float = 0.0) -> float:
    """Time of a token: the time of a layer times the layers of each stage, output head, and three messages.

    `layers` are those of vm-2 and vm-3; vm-3 works `slow` times as long, and has the output head.
    """
    cost = world().cost
    assert isinstance(cost, DecodeCost)
    step = cost.step(one_sequence(64, token))
    block_s, task_s = (times[:, 1] for times in Roofline().times(step, world().cluster))
    heads = world().model.kv_heads
    layer_s = heads * block_s[Kind.HEAD] + block_s[Kind.PROJ] + block_s[Kind.FFN] + 3 * task_s[Kind.HEAD]
    embed_s, lm_head_s = (block_s[kind] + task_s[kind] for kind in (Kind.EMBED, Kind.LM_HEAD))
    messages_s = 3 * 0.5e-3 + delay_s + (4 + 4 * 1024 + 4) / 125e6
    sync_s = (2 + slow) * 1e-3
    return float(
        embed_s + layers[0] * layer_s + slow * (layers[1] * layer_s + lm_head_s) + messages_s + sync_s
    )


def test_one_vm_alone_takes_half_of_the_time_that_was_measured_for_two_requests() -> None:
    """469.5 ms with two requests on one VM (row sw-vm-single)."""
    assert tokens("sum-of-stages", LOSS_S)["latency_s"].median() == pytest.approx(0.4695 / 2, rel=0.03)


@pytest.mark.parametrize(
    ("policy", "period_s", "layers", "slow", "delay_s"),
    [
        ("pinned", (0.0, 30.0), (14, 14), 1.0, 0.0),
        ("pinned", SLOW_S, (14, 14), SLOW, 0.0),
        ("pinned", NETWORK_S, (14, 14), 1.0, 0.12),
        ("sum-of-stages", SLOW_S, (25, 3), SLOW, 0.0),
        ("sum-of-stages", NETWORK_S, (17, 11), 1.0, 0.12),
    ],
)
def test_a_token_takes_the_time_of_the_layers_of_both_stages(
    policy: str, period_s: tuple[float, float], layers: tuple[int, int], slow: float, delay_s: float
) -> None:
    rows = tokens(policy, period_s)
    rows = rows[rows["start_s"] > period_s[0] + 3.0]  # after the move
    assert len(rows) > 50
    expected = [closed_form(token, layers, slow, delay_s) for token in rows["token"]]
    assert rows["latency_s"].to_list() == pytest.approx(expected, rel=1e-9)


def test_the_gain_of_moving_layers_off_a_slow_machine_is_that_of_two_stages() -> None:
    """Per token of one request; the layers that leave vm-3 no longer take 2.5 times as long."""
    static, moved = (tokens(policy, SLOW_S) for policy in POLICIES)
    for token in (20, 40):
        slow_s, fast_s = (rows.loc[rows["token"] == token, "latency_s"].iloc[-1] for rows in (static, moved))
        layer_s = closed_form(token, (1, 0)) - closed_form(token, (0, 0))
        assert slow_s - fast_s == pytest.approx((14 - 3) * (SLOW - 1.0) * layer_s, rel=1e-9)


def test_the_slow_machine_keeps_the_number_of_layers_with_the_shortest_longest_stage() -> None:
    """25 and 3 layers: one layer more on either machine makes its stage the longer one."""
    stages = {
        n: max(closed_form(40, (28 - n, 0)) - closed_form(40, (0, 0)), closed_form(40, (0, n), SLOW))
        for n in range(29)
    }
    assert min(stages, key=lambda n: stages[n]) == 3
    moved = run("sum-of-stages").migrations
    moved = moved[moved["start_s"].between(*SLOW_S)]
    assert set(moved["from_device"]) == {"vm-3"}
    assert set(moved["to_device"]) == {"vm-2"}
    assert moved["block"].str.split(".").str[0].nunique() == 14 - 3


def test_only_a_policy_that_moves_layers_makes_tokens_while_a_worker_is_lost() -> None:
    assert len(tokens("pinned", LOSS_S)) == 0
    assert len(tokens("sum-of-stages", LOSS_S)) > 200
    complete = [run(policy).runs["status"].to_list() for policy in POLICIES]
    assert complete == [["complete"], ["complete"]]


def test_the_committed_predictions_are_those_of_the_example() -> None:
    text = (DOCS / "fidelity" / "moving-layers.csv").read_text(encoding="utf-8")
    assert text == (DOCS / "examples" / "moving_layers.out").read_text(encoding="utf-8")


def committed(row: str, quantity: str, column: str = "predicted") -> float:
    table = pd.read_csv(DOCS / "fidelity" / "moving-layers.csv").set_index(["id", "quantity"])
    return float(table[column].to_dict()[row, quantity])


@pytest.mark.parametrize("fault", ["compute", "network"])
def test_the_page_shows_the_committed_predictions(fault: str) -> None:
    stay, move = (committed(f"sw-vm-{fault}-{policy}-during", "total") for policy in ("static", "hyst"))
    page = (DOCS / "fidelity" / "moving-layers.md").read_text(encoding="utf-8")
    assert f"| {fault} | {stay:.0f} | {move:.0f} | {stay / move:.2f} |" in page


@pytest.mark.parametrize("fault", ["compute", "loss"])
def test_the_page_shows_the_committed_durations_of_moves(fault: str) -> None:
    row = f"sw-vm-{fault}-hyst-during", "transition"
    whole_s, loading_s = (committed(*row, column) / 1e3 for column in ("predicted", "least"))
    page = (DOCS / "fidelity" / "moving-layers.md").read_text(encoding="utf-8")
    assert f"to `vm-2` | {whole_s:.2f} s | {loading_s:.2f} s | {whole_s - loading_s:.2f} s |" in page
