"""The prompt of training as a chat template, so that an exported model is asked as it was trained."""

import json
from string import Formatter

# The text of the last message, whether it is a string or parts, one of which is the image.
_QUESTION = """\
{%- set asked = namespace(text='') -%}
{%- set content = messages[-1]['content'] -%}
{%- if content is string -%}
{%- set asked.text = content -%}
{%- else -%}
{%- for part in content if part['type'] == 'text' -%}
{%- set asked.text = asked.text ~ (' ' if asked.text else '') ~ part['text'] -%}
{%- endfor -%}
{%- endif -%}
"""


def chat_template(prompt: str) -> str:
    """A Jinja template that writes `prompt`, with the text of the last message as its {question}.

    A text that begins as the prompt does is taken as the whole prompt. The processor adds the image.
    """
    parsed = [(literal, name is not None) for literal, name, _, _ in Formatter().parse(prompt)]
    pieces = [_quoted(literal) + ("{{ asked.text }}" if has_field else "") for literal, has_field in parsed]
    begin = parsed[0][0]
    if not begin:
        return _QUESTION + "".join(pieces)
    condition = f"{{%- if asked.text.startswith({json.dumps(begin, ensure_ascii=False)}) -%}}"
    return f"{_QUESTION}{condition}{{{{ asked.text }}}}{{%- else -%}}{''.join(pieces)}{{%- endif -%}}"


def _quoted(literal: str) -> str:
    return f"{{{{ {json.dumps(literal, ensure_ascii=False)} }}}}" if literal else ""
