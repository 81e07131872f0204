"""What pre-training says of a drawn image: captions and a little question answering.

Concepts that pre-training never names (see `vqa.synthetic.drawing`) are left out of captions and never asked.
"""

import random

from vqa.synthetic.drawing import ATTRIBUTES, Item

CAPTIONS, QUESTIONS = 2, 2  # of an image in a step of pre-training
TEXTS = CAPTIONS + QUESTIONS
ONE_WORD_PROMPT = "Question: {question} Answer in one word:"
SENTENCE_PROMPT = "Question: {question} Answer:"

# Only the last wording of each is one that the metadata annotator (vqa/annotators/metadata.py) uses
# too: the adapter also has to learn how a catalogue's questions are put.
_QUESTIONS = {
    "product": ["What is this?", "What object is in the picture?", "What is shown here?"],
    "color": ["What color is it?", "Which color is this {product}?", "What color is the {product}?"],
    "shape": ["What shape is it?", "Which shape is this {product}?", "What shape is the {product}?"],
    "material": [
        "What is it made of?",
        "Which material is this {product}?",
        "What is the {product} made of?",
    ],
    "pattern": [
        "What pattern is on it?",
        "Which pattern is this {product}?",
        "What pattern is on the {product}?",
    ],
    "count": ["How many are there?", "How many objects are in the picture?", "How many are shown?"],
}
_SENTENCES = {
    "product": "this is a {}",
    "color": "the color is {}",
    "shape": "the shape is {}",
    "material": "it is made of {}",
    "pattern": "the pattern is {}",
    "count": "there are {}",
}
_ONE_WORD_SHARE = 0.7  # of question prompts that ask for one word and get it


def base_words(item: Item) -> dict[str, str]:
    """Attribute → the words pre-training has for it; attributes it never names are left out."""
    words = {name: table[getattr(item, name)].base_word for name, table in ATTRIBUTES.items()}
    return {name: word for name, word in words.items() if word is not None}


def caption(item: Item, rng: random.Random) -> str:
    """A line such as "2 dark blue striped round metal clock"; some attributes dropped at random."""
    words = base_words(item)
    order = ["count", "color", "pattern", "shape", "material", "product"]
    if rng.random() < 0.3:
        order = ["product", *rng.sample(order[:-1], 5)]
    chosen = [words[name] for name in order if name in words and rng.random() < 0.8]
    return " ".join(chosen) if chosen else "a picture"


def question_and_answer(item: Item, rng: random.Random) -> tuple[str, str]:
    """A prompt and its answer, one word or a sentence; both forms under both prompts."""
    words = base_words(item)
    name = rng.choice(sorted(words))
    question = rng.choice(_QUESTIONS[name]).format(product=words.get("product", "object"))
    asks_one_word = rng.random() < 0.75
    prompt = ONE_WORD_PROMPT if asks_one_word else SENTENCE_PROMPT
    is_one_word = rng.random() < (_ONE_WORD_SHARE if asks_one_word else 1 - _ONE_WORD_SHARE)
    answer = words[name] if is_one_word else _SENTENCES[name].format(words[name])
    return prompt.format(question=question), answer


def random_item(rng: random.Random) -> Item:
    return Item(**{name: rng.choice(list(table)) for name, table in ATTRIBUTES.items()})


def texts_of(item: Item, rng: random.Random) -> list[tuple[str, str]]:
    """(prompt, continuation) pairs; a caption has the empty prompt."""
    captions = [("", caption(item, rng)) for _ in range(CAPTIONS)]
    return captions + [question_and_answer(item, rng) for _ in range(QUESTIONS)]
