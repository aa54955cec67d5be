"""Ensemble members against the recorded draws."""

import json
from pathlib import Path

from pretrain.ensemble import members

CASES = json.loads((Path(__file__).parents[2] / "testdata" / "ensembles.json").read_text())


def test_members_are_the_recorded_ones():
    for case in CASES:
        drawn = members(case["n_features"], case["n_classes"], case["n_estimators"], case["norm_methods"],
                        case["feat_shuffle_method"], case["class_shift"], case["random_state"])
        grouped = [m for norm in case["norm_methods"] for m in drawn if m[0] == norm]
        assert grouped == [(m["norm"], m["pattern"], m["class_shift"]) for m in case["members"]]
