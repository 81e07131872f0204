"""Stage two: the Q-Former learns to make inputs for the frozen language model.

As BLIP-2's second stage: the queries' output, projected to the language model's width, stands before a text
as if it were words, and the language model's loss on the text is minimised through it. Several texts share
one photograph's rows (vqa/vlm/shared_prefix.py), logits are taken where a label is, and only Q-Former,
queries and projection change: the language model is not trained, so it cannot forget.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Blip2Config, Blip2ForConditionalGeneration, Blip2Processor

from blip2_smollm2.folder import LANGUAGE, LANGUAGE_PREFIX
from vqa.vlm.blip2 import Blip2AnswerModel, QueryTransformer

# Of Blip2ForConditionalGeneration: what is made here.
MADE_HERE = ("query_tokens", "qformer.", "language_projection.")


class StageTwo(nn.Module):
    """Q-Former, queries and projection before the frozen language model."""

    def __init__(self, parts: Path, device: torch.device) -> None:
        super().__init__()
        config = Blip2Config.from_pretrained(parts)
        config.vision_config.num_hidden_layers = 1  # its rows are cached: a stub is never run
        model = Blip2ForConditionalGeneration(config)
        state = load_file(parts / LANGUAGE)
        model.language_model.load_state_dict(
            {name.removeprefix(LANGUAGE_PREFIX): tensor for name, tensor in state.items()}, strict=False
        )
        model.language_model.tie_weights()
        model.language_model.requires_grad_(requires_grad=False)
        nn.init.normal_(model.query_tokens, std=0.02)
        processor = Blip2Processor.from_pretrained(parts)
        self.queries = QueryTransformer(model)
        self.reader = Blip2AnswerModel(model, processor, "{question}", device)

    def start_from(self, stage_one: dict[str, Tensor]) -> None:
        """Take Q-Former and queries of a trained `StageOne`; its text side and heads stay behind."""
        state = {
            name: tensor
            for name, tensor in stage_one.items()
            if name == "query_tokens" or (name.startswith("qformer.") and not is_text_side(name))
        }
        lacking, unknown = self.queries.load_state_dict(state, strict=False)
        if lacking or unknown:
            raise ValueError(f"stage one does not fit stage two: lacks {lacking[:3]}, has {unknown[:3]}")

    def loss(self, images: Tensor, texts: Sequence[Sequence[tuple[str, str]]]) -> Tensor:
        """Mean cross-entropy of the continuations; `images` `[B, P, D]`, `texts[i]` those of photograph i."""
        pairs = [(number, *text) for number, of in enumerate(texts) for text in of]
        numbers, prompts, continuations = zip(*pairs, strict=True)
        features = self.queries(images)
        batch = self.reader.shared_batch(prompts, continuations, numbers, features)
        return self.reader(**batch, features=features)["loss"]

    def made_here(self) -> dict[str, Tensor]:
        """Q-Former, queries and projection under the names of Blip2ForConditionalGeneration."""
        state = dict(self.queries.state_dict())
        projection = self.reader.projection.state_dict()
        return state | {f"language_projection.{name}": tensor for name, tensor in projection.items()}

    @torch.inference_mode()
    def answers(self, images: Tensor, prompts: Sequence[str], max_new_tokens: int = 12) -> list[str]:
        """Greedy continuations, one a photograph."""
        return self.reader.texts(prompts, self.queries(images), max_new_tokens)


def is_text_side(name: str) -> bool:
    """Whether a tensor of stage one's Q-Former is one of the text's own feed-forward layers."""
    parts = name.split(".")
    return name.startswith("qformer.encoder.layer.") and parts[4] in {"intermediate", "output"}
