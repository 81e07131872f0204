"""The one list of systems, held to the pipeline and to the committed metrics."""

from paths import ROOT
from vqa.core.files import read_json
from vqa.evaluation.guesses import GUESSES
from vqa.evaluation.systems import DIFFERENCES, SYSTEMS
from vqa.overlays import read_yaml

STAGES = read_yaml((ROOT / "dvc.yaml").read_text())["stages"]


def test_every_system_is_answered_by_a_stage_or_guessed() -> None:
    assert {system.key for system in SYSTEMS if system.answers is None} == GUESSES.keys()
    for system in SYSTEMS:
        if system.answers:
            assert system.answers.as_posix() in STAGES[system.stage]["outs"]
            assert system.answers.as_posix() in STAGES["evaluate"]["deps"]


def test_metrics_and_details_have_every_system_and_difference() -> None:
    metrics, details = (read_json(ROOT / f"metrics/{name}.json") for name in ("evaluate", "details"))
    systems, differences = {system.key for system in SYSTEMS}, {difference.key for difference in DIFFERENCES}
    assert set(metrics) == systems | differences | {"data", "others", "scorer"}
    assert (set(details["systems"]), set(details["differences"])) == (systems, differences)


def test_nothing_is_listed_twice_and_differences_are_between_systems_of_the_list() -> None:
    for names in (
        [system.key for system in SYSTEMS] + [difference.key for difference in DIFFERENCES],
        [system.title for system in SYSTEMS],
        [system.title for system in SYSTEMS],
    ):
        assert len(set(names)) == len(names)
    assert {difference.ours for difference in DIFFERENCES} | {d.theirs for d in DIFFERENCES} <= set(SYSTEMS)
    assert [difference.title for difference in DIFFERENCES][:2] == ["LoRA − baseline", "LoRA − zero image"]
