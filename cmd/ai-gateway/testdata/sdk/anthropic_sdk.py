"""Anthropic's Python SDK against the gateway."""

import anthropic
from pydantic import BaseModel

from report import *

client = anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0, timeout=20)
TOOLS = [
    {"name": "get_weather", "description": "The weather", "input_schema": WEATHER},
    {"name": "get_time", "input_schema": NOTHING},
]


def say(text, **more):
    return {"model": MODEL, "max_tokens": 4000, "system": "Be brief.", "messages": [{"role": "user", "content": text}], **more}


def ask(**request):
    return client.messages.create(**request)


def ask_streamed(**request):
    with client.messages.stream(**request) as s:
        for _ in s:
            pass
        return s.get_final_message()


def text_of(m):
    return "".join(b.text for b in m.content if b.type == "text")


def check_usage(u):
    equal((u.input_tokens, u.cache_read_input_tokens, u.output_tokens), (15, 5, 10))


def loop(send, text, rounds, calls, **more):
    """Runs a tool loop until the model answers."""
    request = say(text, tools=TOOLS, **more)
    for _ in range(rounds):
        m = send(**request)
        equal(m.stop_reason, "tool_use")
        check_usage(m.usage)
        used = [b for b in m.content if b.type == "tool_use"]
        equal(len({b.id for b in used}), calls)
        results = [{"type": "tool_result", "tool_use_id": b.id, "content": use(b.name, b.input)} for b in used]
        request["messages"] += [{"role": "assistant", "content": m.content}, {"role": "user", "content": results}]
    m = send(**request)
    equal(m.stop_reason, "end_turn")
    return text_of(m)


def chat():
    m = ask(**say("Hello"))
    equal([b.type for b in m.content], ["text"])
    equal(text_of(m), GREETING % (1, "Hello"))
    equal((m.type, m.role, m.stop_reason, m.stop_sequence, m.model), ("message", "assistant", "end_turn", None, MODEL))
    assert m.id
    check_usage(m.usage)


scenario(chat)


@scenario
def history():
    request = say("One")
    request["messages"] += [{"role": "assistant", "content": "Two"}, {"role": "user", "content": [{"type": "text", "text": "Drei ✓", "cache_control": {"type": "ephemeral"}}]}]
    equal(text_of(ask(**request)), GREETING % (3, "Drei ✓"))


@scenario
def stream():
    with client.messages.stream(**say("Hello")) as s:
        text = "".join(s.text_stream)
        m = s.get_final_message()
    equal(text, GREETING % (1, "Hello"))
    equal(text_of(m), text)
    equal((m.role, m.stop_reason, m.model), ("assistant", "end_turn", MODEL))
    check_usage(m.usage)
    names = [e.type for e in client.messages.create(**say("Hello"), stream=True)]
    equal((names[0], names[1], names[-2], names[-1]), ("message_start", "content_block_start", "message_delta", "message_stop"))


@scenario
async def async_stream():
    async with anthropic.AsyncAnthropic(base_url=GATEWAY, api_key=KEY, max_retries=0) as c:
        async with c.messages.stream(**say("Hello")) as s:
            m = await s.get_final_message()
    equal(text_of(m), GREETING % (1, "Hello"))


@scenario
def stop():
    for send in (ask, ask_streamed):
        m = send(**say("#stop", stop_sequences=["END"]))
        equal(text_of(m), "Up to here")
        # OpenAI's format does not tell which sequence it was, nor that it was one.
        equal((m.stop_reason, m.stop_sequence), ("stop_sequence", "END") if FORMAT != "openai" else ("end_turn", None))


@scenario
def length():
    for send in (ask, ask_streamed):
        m = send(**say("#long", max_tokens=77))
        equal((text_of(m), m.stop_reason), ("Cut at 77", "max_tokens"))


@scenario
def image():
    request = say([{"type": "text", "text": "#image"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}])
    equal(text_of(ask(**request)), SAW)


class Weather(BaseModel):
    city: str
    celsius: int


@scenario
def structured():
    want = Weather(city="Zürich", celsius=21)
    equal(client.messages.parse(**say("#json"), output_format=Weather).parsed_output, want)
    with client.messages.stream(**say("#json"), output_format=Weather) as s:
        equal(s.get_final_message().parsed_output, want)


@scenario
def tool_loop():
    equal(loop(ask, "#weather", 1, 1), ZURICH)


@scenario
def tool_loop_streamed():
    equal(loop(ask_streamed, "#weather", 1, 1), ZURICH)


@scenario
def parallel_tools():
    equal(loop(ask, "#parallel", 1, 2), BOTH)


@scenario
def parallel_tools_streamed():
    equal(loop(ask_streamed, "#parallel", 1, 2), BOTH)


@scenario
def no_arguments():
    equal(loop(ask, "#noargs", 1, 1), CLOCK)
    equal(loop(ask_streamed, "#noargs", 1, 1), CLOCK)


@scenario
def two_steps():
    equal(loop(ask, "#steps", 2, 1), STEPS)
    equal(loop(ask_streamed, "#steps", 2, 1), STEPS)


@scenario
def tool_choice():
    def f(want, **more):
        equal(text_of(ask(**say("#choice", tools=TOOLS, **more))), want)

    f("choice=auto serial=false")
    f("choice=none serial=false", tool_choice={"type": "none"})
    f("choice=required serial=false", tool_choice={"type": "any"})
    serial = "false" if FORMAT == "bedrock" else "true"  # which has no such member; the gateway says so
    f("choice=get_time serial=" + serial, tool_choice={"type": "tool", "name": "get_time", "disable_parallel_tool_use": True})
    f("choice=auto serial=" + serial, tool_choice={"type": "auto", "disable_parallel_tool_use": True})


def think(send):
    request = say("#steps", tools=TOOLS, model=THINKER, thinking={"type": "enabled", "budget_tokens": 2000})
    for step in (1, 2, 3):
        m = send(**request)
        equal(m.content[0].type, "thinking")
        equal(m.content[0].thinking, f"The user wrote 6 bytes; step {step}.")
        if FORMAT == "anthropic":
            assert m.content[0].signature.startswith("Sig"), m.content[0]
        used = [b for b in m.content if b.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": b.id, "content": use(b.name, b.input)} for b in used]
        request["messages"] += [{"role": "assistant", "content": m.content}, {"role": "user", "content": results}]
    equal((text_of(m), m.stop_reason), (STEPS, "end_turn"))


@scenario
def thinking():
    think(ask)


@scenario
def thinking_streamed():
    think(ask_streamed)


@scenario
def other_model():
    """A tool loop goes on with a model of another vendor, whose thinking it is not."""
    thinks = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    request = say("#steps", tools=TOOLS)
    m = ask(**request | thinks | {"model": THINKER})
    equal(m.content[0].type, "thinking")
    for _ in range(2):
        results = [{"type": "tool_result", "tool_use_id": b.id, "content": use(b.name, b.input)} for b in m.content if b.type == "tool_use"]
        request["messages"] += [{"role": "assistant", "content": m.content}, {"role": "user", "content": results}]
        m = ask_streamed(**request | (thinks if FORMAT == "openai" else {}) | {"model": OTHER})
    equal(text_of(m), STEPS)


@scenario
def wrong_key():
    with Raised(anthropic.AuthenticationError) as r:
        anthropic.Anthropic(base_url=GATEWAY, api_key="sk-gw-wrong", max_retries=0).messages.create(**say("Hello"))
    equal(r.error.body["error"]["type"], "authentication_error")


@scenario
def unknown_model():
    for streamed in (False, True):
        with Raised(anthropic.NotFoundError) as r:
            ask(**say("Hello", stream=streamed) | {"model": "no-such-model"})
        equal(r.error.body["error"]["type"], "not_found_error")
        assert "no-such-model" in r.error.message


@scenario
def rate_limited():
    for streamed in (False, True):
        with Raised(anthropic.RateLimitError) as r:
            ask(**say("Hello", stream=streamed) | {"model": LIMITED})
        equal(r.error.body["error"]["type"], "rate_limit_error")
        assert 1 <= int(r.error.response.headers["retry-after"]) <= 7, r.error.response.headers


@scenario
def retried():
    """The SDK itself waits as long as it is told, and then succeeds."""
    patient = client.with_options(max_retries=3)
    for _ in range(2):
        equal(text_of(patient.messages.create(**say("Hello") | {"model": FLAKY})), GREETING % (1, "Hello"))


@scenario
def refused():
    for send in (ask, ask_streamed):
        m = send(**say("#refuse"))
        equal((text_of(m), m.stop_reason), ("I cannot help with that.", "refusal"))


def broken(model):
    text = ""
    with Raised(anthropic.APIError) as r:
        with client.messages.stream(**say("Hello") | {"model": model}) as s:
            for t in s.text_stream:
                text += t
    assert text and GREETING.startswith(text[:4]), text
    return r.error


@scenario
def mid_stream_error():
    e = broken(BROKEN)
    assert ("The server had an error" if FORMAT == "openai" else "Overloaded") in e.message, e.message


@scenario
def lost_connection():
    assert "upstream" in broken(CUT).message


@scenario
def context_length():
    for streamed in (False, True):
        with Raised(anthropic.BadRequestError) as r:
            ask(**say("#toolong", stream=streamed))
        equal(r.error.body["error"]["type"], "invalid_request_error")
        words = "maximum context length is 128000 tokens" if FORMAT == "openai" else "prompt is too long: 250000 tokens > 200000 maximum"
        assert words in r.error.message, r.error.message


@scenario
def models():
    listed = {m.id for m in client.models.list()}
    assert {MODEL, THINKER, LIMITED} <= listed, listed
    m = client.models.retrieve(MODEL)
    equal((m.id, m.type), (MODEL, "model"))


@scenario
def count_tokens():
    n = client.messages.count_tokens(model=MODEL, system="Be brief.", messages=[{"role": "user", "content": "Hello " * 100}], tools=TOOLS).input_tokens
    if FORMAT == "anthropic":
        equal(n, 42)  # the upstream's word
    else:
        assert 300 <= n <= 2000, n  # an estimate


main()
