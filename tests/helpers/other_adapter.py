"""An adapter as somebody else exported it, made for another model than the project's."""

import shutil
from pathlib import Path

import torch
from transformers import Blip2ForConditionalGeneration

from vqa.cli import export
from vqa.core.files import read_json, write_json
from vqa.settings import load_settings
from vqa.vlm.loading import Pretrained

OTHER_MODEL = Path("models/blip2-other")


def other_adapter(project: Path) -> Path:
    """models/adapter-photos in a project whose pipeline ran: its own adapter, exported, for a model with its
    sizes and other weights.
    """
    settings = load_settings()
    shutil.copytree(settings.model.name, OTHER_MODEL)
    whole = Blip2ForConditionalGeneration.from_pretrained(OTHER_MODEL)
    torch.manual_seed(3)
    for weight in whole.language_projection.parameters():
        torch.nn.init.normal_(weight)
    whole.save_pretrained(OTHER_MODEL)
    export.run(project / "export", pairs=0)
    adapter = project / "models/adapter-photos"
    shutil.copytree(project / "export/adapter", adapter)
    base = read_json(adapter / "base_model.json")
    asked = Pretrained(str(OTHER_MODEL), None, settings.model.dtype, "none")
    write_json(adapter / "base_model.json", base | dict(asked.identity(torch.device("cpu"))))
    return adapter
