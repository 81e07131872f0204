"""VisualBERT on regions: real classes with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoImageProcessor,
    AutoModelForObjectDetection,
    BertTokenizerFast,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    ResNetModel,
    VisualBertConfig,
    VisualBertForPreTraining,
    VisualBertForQuestionAnswering,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessorPil,
)

import answer_others
import generate
import validate
from toy_others import SMALL, WORDS, detector, resnet, visualbert
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.inference.other_models import OtherModel
from vqa.inference.visualbert import Regions, VisualBert
from vqa.settings import OnRegions, load_settings

CPU = torch.device("cpu")
SIZE = 24  # numbers a region; ResNet-50 makes 2048
QUESTION = "What color is the lamp?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    visualbert(tmp_path / "visualbert", SIZE)
    resnet(tmp_path / "resnet", SIZE)
    detector(tmp_path / "detector", SIZE)
    (tmp_path / "answers.txt").write_text("red\nblue\nwood\n")
    return tmp_path


def of(folder: Path, regions: str = "resnet", name: str = "visualbert") -> VisualBert:
    return VisualBert(str(folder / name), str(folder / regions), folder / "answers.txt", CPU)


def test_a_resnet_s_regions_are_the_cells_of_its_last_layer(
    folder: Path, drawings: list[Image.Image]
) -> None:
    seen = Regions(str(folder / "resnet"), CPU).of(drawings[0])
    assert seen.shape == (49, SIZE)
    processor = AutoImageProcessor.from_pretrained(folder / "resnet", backend="pil")
    model = ResNetModel.from_pretrained(folder / "resnet").eval()
    grid = model(**processor(drawings[0], return_tensors="pt")).last_hidden_state
    torch.testing.assert_close(seen[7 * 2 + 5], grid[0, :, 2, 5])


def test_a_detector_s_regions_are_the_means_in_its_boxes_each_box_once(
    folder: Path, drawings: list[Image.Image]
) -> None:
    seen = Regions(str(folder / "detector"), CPU).of(drawings[0])
    assert seen.shape[1] == SIZE
    assert 1 < len(seen) <= 20  # as many as it asks for
    processor = AutoImageProcessor.from_pretrained(folder / "detector", backend="pil")
    model = AutoModelForObjectDetection.from_pretrained(folder / "detector").eval()
    inputs = processor(drawings[0], return_tensors="pt")
    with torch.no_grad():
        grid = model.model.backbone.model(inputs["pixel_values"]).feature_maps[-1][0]  # [SIZE, 2, 2]
        outputs = model(**inputs)
    surest = int(outputs.logits[0].max(dim=-1).values.argmax())
    across, down, width, height = outputs.pred_boxes[0, surest].tolist()
    cells = [
        grid[:, y, x]
        for y in range(2)
        for x in range(2)
        if across - width / 2 < (x + 1) / 2
        and across + width / 2 > x / 2
        and down - height / 2 < (y + 1) / 2
        and down + height / 2 > y / 2
    ]
    torch.testing.assert_close(seen[0], torch.stack(cells).mean(dim=0))


@pytest.mark.parametrize("regions", ["resnet", "detector"])
def test_it_says_the_likeliest_answer_at_the_mask(
    folder: Path, drawings: list[Image.Image], regions: str
) -> None:
    model = VisualBertForQuestionAnswering.from_pretrained(folder / "visualbert").eval()
    for parameter in model.parameters():  # image and question are to count
        torch.nn.init.normal_(parameter, std=0.5)
    words = BertTokenizerFast.from_pretrained(folder / "visualbert")
    see = Regions(str(folder / regions), CPU)

    @torch.no_grad()
    def logits(drawing: Image.Image, question: str) -> Tensor:
        seen = see.of(drawing)[None]
        inputs = words(f"{question} ? [MASK]", return_tensors="pt")
        found: Tensor = model(
            **inputs, visual_embeds=seen, visual_attention_mask=torch.ones(1, seen.shape[1])
        ).logits[0]
        return found

    asked = [(d, q) for d in drawings[:3] for q in ("what color is the lamp", "how many red")]
    model.cls.bias.data -= torch.stack([logits(*case) for case in asked]).mean(dim=0)
    model.save_pretrained(folder / "visualbert")
    likeliest = [["red", "blue", "wood"][int(logits(*case).argmax())] for case in asked]
    assert len(set(likeliest)) > 1
    ours = of(folder, regions)
    assert [ours.text(drawing, f"{question}?", 1) for drawing, question in asked] == likeliest


def test_answers_that_its_config_names_need_no_file(folder: Path, drawings: list[Image.Image]) -> None:
    weights = VisualBertForQuestionAnswering.from_pretrained(folder / "visualbert")
    weights.config.id2label = {0: "red", 1: "blue", 2: "wood"}
    weights.save_pretrained(folder / "visualbert")
    named = VisualBert(str(folder / "visualbert"), str(folder / "resnet"), None, CPU)
    assert named.text(drawings[0], QUESTION, 1) == of(folder).text(drawings[0], QUESTION, 1)


def test_its_row_says_what_it_saw(folder: Path, project: Callable[..., Path]) -> None:
    parts = {"name": "visualbert", "regions": "resnet", "answers": "answers.txt"}
    project(zero_shot={"models": [{key: str(folder / part) for key, part in parts.items()}]})
    assert isinstance(load_settings().zero_shot.models[0], OnRegions)
    generate.run()
    validate.run()
    answer_others.run()
    (path,) = Path("data/predictions/others").glob("*.csv")
    assert path.stem.endswith("resnet_not_its_training_features")
    rows = read_rows(path, ["generated_answer"])
    assert len(rows) == len(read_rows(Path("data/vqa/test.csv"), ["answer"]))
    assert {row["generated_answer"] for row in rows} <= {"red", "blue", "wood"}
    assert read_json(path.parent / "models.json")[0].endswith("resnet, not its training features")


def _without_names(folder: Path) -> None:
    VisualBert(str(folder / "visualbert"), str(folder / "resnet"), None, CPU)


def _of_another_length(folder: Path) -> None:
    (folder / "answers.txt").write_text("red\nblue\n")
    of(folder)


def _lost(folder: Path) -> None:
    (folder / "answers.txt").unlink()
    of(folder)


def _untaught(folder: Path) -> None:
    config = VisualBertConfig(**SMALL, vocab_size=len(WORDS), visual_embedding_dim=SIZE)
    VisualBertForPreTraining(config).save_pretrained(folder / "untaught")
    of(folder, name="untaught")


def _narrow(folder: Path) -> None:
    resnet(folder / "narrow", 16)
    of(folder, "narrow").text(Image.new("RGB", (40, 40)), QUESTION, 1)


def _nowhere(folder: Path) -> None:
    of(folder, "nowhere")


def _without_a_grid(folder: Path) -> None:
    ViTModel(ViTConfig(**SMALL, image_size=32, patch_size=8)).save_pretrained(folder / "vit")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder / "vit")
    of(folder, "vit").text(Image.new("RGB", (40, 40)), QUESTION, 1)


def _a_detector_without_a_backbone(folder: Path) -> None:
    config = YolosConfig(**SMALL, image_size=[32, 32], patch_size=8, num_detection_tokens=4)
    YolosForObjectDetection(config).save_pretrained(folder / "yolos")
    YolosImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder / "yolos")
    of(folder, "yolos").text(Image.new("RGB", (40, 40)), QUESTION, 1)


def _with_words(folder: Path) -> None:
    parts = {
        "text_config": {**SMALL, "vocab_size": 99},
        "vision_config": {**SMALL, "image_size": 32, "patch_size": 8},
    }
    CLIPModel(CLIPConfig(**parts)).save_pretrained(folder / "clip")
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder / "clip")
    of(folder, "clip").text(Image.new("RGB", (40, 40)), QUESTION, 1)


def _on_pixels(folder: Path) -> None:
    OtherModel(str(folder / "visualbert"), CPU)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (_without_names, r"does not name its 3 answers; give a file of them, one a line, as answers \(VQA"),
        (_of_another_length, r"answers\.txt has 2 lines, but .*visualbert knows 3 answers; give the list"),
        (_lost, r"answers: .*answers\.txt, which is missing"),
        (_untaught, r"a VisualBERT that was not trained to answer; give one that was"),
        (_narrow, r"narrow, which makes 16 numbers a region, but .*visualbert reads 24; give another"),
        (_without_a_grid, r"regions: .*vit, whose last layer is no grid; give a DETR-like detector"),
        (_a_detector_without_a_backbone, r"regions: .*yolos, whose last layer is no grid"),
        (_with_words, r"regions: .*clip, whose last layer is no grid"),
        (_nowhere, r"regions: .*nowhere, but no vision model can be read there .*microsoft/resnet"),
        (_on_pixels, r"reads regions instead of pixels; give \{name: .*regions: microsoft/resnet-50"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    folder: Path, mistake: Callable[[Path], Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        mistake(folder)
    assert "\n" not in str(caught.value)
