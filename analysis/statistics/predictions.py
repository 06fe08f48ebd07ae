"""Predicted against measured inference times of the tokens after each decision."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from headway.analysis.formatting import number
from headway.simcore.results import Result

MOST_FACTOR = 1.2
"""Notes report the runs in which predicted and measured times differ by a larger factor."""

_KEY = ["run", "request"]
_INFERENCE = ["compute_s", "disk_s", "transfer_s"]


def inference_times(result: Result) -> Iterator[pd.DataFrame]:
    """What the comparison needs of the tokens, in pieces: all tokens of a long run would need much memory."""
    return (batch.to_pandas() for batch in result.batches("tokens", [*_KEY, "token", *_INFERENCE]))


def prediction_ratios(
    decisions: pd.DataFrame, tokens: pd.DataFrame | Iterable[pd.DataFrame], requests: pd.DataFrame
) -> pd.DataFrame:
    """The measured and the predicted time of the tokens from each decision to the next.

    The time of tokens is their inference time: without migrations, decisions, faults and waits. Left out are decisions
    without a prediction, and those after which not all predicted tokens were generated under the decision: a trigger or
    a fault asked for another one before, or the run ended.

    Args:
        decisions: as the attribute of a `Result`; so are the next two.
        tokens: see `decisions`; also its rows in pieces, as `inference_times` reads them.
        requests: see `decisions`.

    Returns:
        The rows of `decisions` that remain, with the columns `took_s` and `ratio`, measured over predicted time.
    """
    finished = requests.loc[requests["generated"] == requests["output"], _KEY].assign(finished=True)
    rows: pd.DataFrame = decisions.reset_index(drop=True).merge(finished, on=_KEY, how="left")
    following = rows.groupby(_KEY, observed=True)["trigger"].shift(-1)
    whole = (following == "interval") | (following.isna() & rows["finished"].notna())
    asked = rows[[*_KEY, "token"]].assign(decision=rows.index)
    pieces = [tokens] if isinstance(tokens, pd.DataFrame) else tokens
    taken = pd.concat([_taken(asked, piece) for piece in pieces])
    taken = taken.groupby(level="decision").agg({"took_s": "sum", "first": "min"})
    rows = rows.join(taken).assign(ratio=lambda all_: all_["took_s"] / all_["predicted_delay_s"])
    known = np.isfinite(rows["ratio"]) & (rows["ratio"] > 0.0) & (rows["first"] == rows["token"])
    rows = rows[whole & known]
    return rows.drop(columns=["finished", "first"])


def _taken(asked: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """The inference time, and the first, of the tokens that were generated under each decision."""
    each = tokens[[*_KEY, "token"]].assign(took_s=tokens[_INFERENCE].sum(axis=1), first=tokens["token"])
    # Of several decisions before one token the last holds for it.
    each = pd.concat([asked, each]).sort_values([*_KEY, "token"], kind="stable")
    decision = each.groupby(_KEY, observed=True)["decision"].ffill()
    return each.groupby(decision).agg({"took_s": "sum", "first": "min"}).dropna()


def misprediction_notes(
    decisions: pd.DataFrame,
    tokens: pd.DataFrame | Iterable[pd.DataFrame],
    requests: pd.DataFrame,
    by: str = "run",
) -> list[str]:
    """One line for each run, or each policy, whose median ratio is off by more than `MOST_FACTOR`.

    Args:
        decisions: see `prediction_ratios`; so are the next two.
        tokens: see `decisions`.
        requests: see `decisions`.
        by: the column of `decisions` with the names in the notes.
    """
    ratios = prediction_ratios(decisions, tokens, requests)
    medians = ratios.groupby(by, sort=False, observed=True)["ratio"].median()
    return [
        f"{name}: tokens took {number(ratio)} times the predicted time (median over decisions)"
        for name, ratio in medians.items()
        if not 1.0 / MOST_FACTOR <= ratio <= MOST_FACTOR
    ]
