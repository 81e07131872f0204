"""The forms of the official VQA rules, to score under them beside our own.

Source: VQA v2.0 evaluation, https://github.com/GT-Vision-Lab/VQA (PythonEvaluationTools, vqaEval.py). There
an answer counts in thirds of ten people's, and theirs are put into this form unless they all agree; here
there mostly is one label, so an answer is right or wrong, and labels are always put into the form.
"""

import re
from collections.abc import Sequence

PEOPLE = 10  # who answered each question of VQAv2
_ENOUGH = 3  # of them make an answer wholly right

_NUMBERS = {"none": "0"} | {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_ARTICLES = {"a", "an", "the"}
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_POINT = re.compile(r"\.(?!\d)")
# Words that are the same with and without their apostrophes; all others (women's, womens) differ.
_CONTRACTIONS = {
    word.replace("'", ""): word
    for word in """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
    he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've
    mustn't must've needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've
    somebody'd've somebody'll somebody's somebody'd someone'd someone'd've someone'll someone's
    something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've
    they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
    where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
    """.split()
}


def vqa_form(answer: str) -> str:
    """The form in which the official evaluation compares answers.

    Unlike `normalize_answer`: a hyphen parts words, eleven and above stay words, possessives keep their
    apostrophe, and an article alone is nothing.
    """
    answer = answer.strip()
    text = answer
    for mark in _PUNCTUATION:
        stands_apart = f"{mark} " in answer or f" {mark}" in answer
        is_dropped = stands_apart or _COMMA_IN_NUMBER.search(answer)
        text = text.replace(mark, "" if is_dropped else " ")
    words = [_NUMBERS.get(word, word) for word in _POINT.sub("", text).lower().split()]
    words = [word for word in words if word not in _ARTICLES]
    return " ".join(_CONTRACTIONS.get(word.replace("'", ""), word) for word in words)


def is_right_by_vqa_rules(answer: str, reference: str) -> bool:
    """Whether an answer equals the reference under the official rules; an empty one never does."""
    return answer.strip() != "" and vqa_form(answer) == vqa_form(reference)


def share_of_people(agree: Sequence[bool]) -> float:
    """How right an answer is by those of the people who gave it: min(n / 3, 1), averaged over all choices of
    nine of ten.
    """
    counts = [sum(agree) - one for one in agree]
    return sum(min(count / _ENOUGH, 1.0) for count in counts) / len(counts)
