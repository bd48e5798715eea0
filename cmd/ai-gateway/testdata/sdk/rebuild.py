"""Gives recorded answers to the vendors' Python SDKs: reads one JSON object
{"id","format","stream"} a line and writes, one line {"id","body"} or {"id","error"},
the whole message that the format's SDK puts together from it. An answer that is an
object is no stream, but the message."""

import json
import sys

import anthropic
import httpx
import httpx2
import openai
from google import genai

stream = b""


def player(kit):
    """A client whose every request is answered with the stream."""
    def answer(_):
        kind = "application/json" if stream.startswith(b"{") else "text/event-stream"
        return kit.Response(200, headers={"content-type": kind}, content=stream)

    return kit.Client(transport=kit.MockTransport(answer))


http = player(httpx2)
openai_client = openai.OpenAI(api_key="k", http_client=http, max_retries=0)
anthropic_client = anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)
google = genai.Client(api_key="k", http_options=genai.types.HttpOptions(httpx_client=player(httpx)))
WORDS = [{"role": "user", "content": "x"}]


def whole(format):
    """Reads an answer that was not streamed."""
    plain = dict(mode="json", by_alias=True, exclude_none=True)
    if format == "chat":
        return openai_client.chat.completions.create(model="m", messages=WORDS).to_dict(mode="json")
    if format == "responses":
        return openai_client.responses.create(model="m", input="x").to_dict(mode="json")
    if format == "messages":
        return anthropic_client.messages.create(model="m", max_tokens=1, messages=WORDS).to_dict(mode="json")
    return google.models.generate_content(model="m", contents="x").model_dump(**plain)


def chat():
    with openai_client.chat.completions.stream(model="m", messages=WORDS) as s:
        s.until_done()
        return s.current_completion_snapshot.to_dict(mode="json")  # the final one refuses what ended at a limit


def responses():
    with openai_client.responses.stream(model="m", input="x") as s:
        last = None
        for event in s:
            if event.type in ("response.completed", "response.incomplete", "response.failed"):
                last = event.response
            if event.type in ("error", "response.failed"):
                raise RuntimeError(event)
        return last.to_dict(mode="json")


def messages():
    with anthropic_client.messages.stream(model="m", max_tokens=1, messages=WORDS) as s:
        return s.get_final_message().to_dict(mode="json")


def gemini():
    dialogue = google.chats.create(model="m")
    last, finish, feedback = None, None, None
    for last in dialogue.send_message_stream("x"):
        feedback = last.prompt_feedback or feedback
        if last.candidates and last.candidates[0].finish_reason:
            finish = last.candidates[0].finish_reason
    plain = dict(mode="json", by_alias=True, exclude_none=True)
    parts = [p.model_dump(**plain) for c in dialogue.get_history()[1:] for p in c.parts or []]
    body = last.model_dump(**plain)
    body["candidates"] = [{"content": {"role": "model", "parts": parts}, "finishReason": finish}]
    if feedback:
        body["promptFeedback"] = feedback.model_dump(**plain)
    body["forgotten"] = not dialogue.get_history(curated=True) and "blockReason" not in body.get("promptFeedback", {})
    return {k: body.get(k) for k in ("candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "forgotten")}


for line in sys.stdin:
    job = json.loads(line)
    stream = job["stream"].strip().encode() + b"\n\n"
    answer = {"id": job["id"]}
    try:
        answer["body"] = whole(job["format"]) if stream.startswith(b"{") else globals()[job["format"]]()
    except Exception as e:
        answer["error"] = f"{type(e).__name__}: {e}"
    print(json.dumps(answer))
