#!/bin/sh
# google-genai's response.parsed is None for a whole list if one element does not fit, and then looks like a
# refusal.
#
# The answer is validated as a whole and errors are dropped: a good pair beside one whose answer is a number, a
# good pair beside one that was cut by MAX_TOKENS, a good pair in a code fence, and a blocked answer all give
# None, without a warning. The local server below speaks the service's protocol; nothing is sent elsewhere.
#
# Versions: google-genai 3.6.1, pydantic 2.14.3. The script ends with an error if this changes.
# Seen on 2026-11-29, Python 3.11, Linux x86-64:
#   two good pairs: parsed = [Pair(question='What color?', answer='red'), Pair(question='What color?', answer='red')], warnings 0
#   a good pair and one whose answer is a number: parsed = None, warnings 0
#   a good pair and a cut one, MAX_TOKENS: parsed = None, warnings 0
#   a good pair in a code fence: parsed = None, warnings 0
#   nothing, SAFETY: parsed = None, warnings 0
set -eu
DIR=$(mktemp -d); trap 'rm -rf "$DIR"' EXIT; cd "$DIR"
python3 -m venv venv && . venv/bin/activate
pip install -q --no-compile google-genai==3.6.1 pydantic==2.14.3

cat > try.py <<'PY'
import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

from google import genai
from google.genai import types
from pydantic import BaseModel

answer = {}


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Pair(BaseModel):
    question: str
    answer: str


server = HTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
options = types.HttpOptions(base_url=f"http://127.0.0.1:{server.server_port}", api_version="v1beta")
client = genai.Client(api_key="none", http_options=options)
config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=list[Pair])


def parsed(text, reason="STOP"):
    answer.clear()
    content = {"content": {"parts": [{"text": text}]}} if text is not None else {}
    answer["candidates"] = [{**content, "finishReason": reason}]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = client.models.generate_content(model="any", contents="?", config=config).parsed
    return found, len(said)


good = '{"question": "What color?", "answer": "red"}'
found = {
    "two good pairs": parsed(f"[{good}, {good}]"),
    "a good pair and one whose answer is a number": parsed(f'[{good}, {{"question": "How many?", "answer": 4}}]'),
    "a good pair and a cut one, MAX_TOKENS": parsed(f'[{good}, {{"question": "What sh', "MAX_TOKENS"),
    "a good pair in a code fence": parsed("~~~json\n[".replace("~", chr(96)) + good + "]\n" + 3 * chr(96)),
    "nothing, SAFETY": parsed(None, "SAFETY"),
}
for what, (value, count) in found.items():
    print(f"{what}: parsed = {value}, warnings {count}")
assert len(found.pop("two good pairs")[0]) == 2
assert all(value == (None, 0) for value in found.values())
PY
python try.py
