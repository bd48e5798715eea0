"""OpenAI's Python SDK speaking Responses to the gateway."""

import json

import openai
from pydantic import BaseModel, ConfigDict

from report import *

client = openai.OpenAI(base_url=GATEWAY + "/v1", api_key=KEY, max_retries=0, timeout=20)
responses = client.responses
TOOLS = [
    {"type": "function", "name": "get_weather", "description": "The weather", "parameters": WEATHER, "strict": True},
    {"type": "function", "name": "get_time", "parameters": NOTHING, "strict": True},
]


class raises(Raised):
    """Demands an exception whose message has the words."""

    def __init__(self, kind, words=""):
        super().__init__(kind)
        self.words = words

    def __exit__(self, *args):
        ok = super().__exit__(*args)
        assert not ok or self.words in str(self.error), self.error
        return ok


def say(text, **more):
    return {"model": MODEL, "instructions": "Be brief.", "input": [{"role": "user", "content": text}], **more}


def ask(**request):
    return responses.create(**request)


def ask_streamed(**request):
    """Gathers a stream with the SDK's own accumulator."""
    with responses.stream(**request) as s:
        for _ in s:
            pass
        return s.get_final_response()


def check_usage(u):
    equal((u.input_tokens, u.output_tokens, u.total_tokens, u.input_tokens_details.cached_tokens), (20, 10, 30, 5))


def loop(send, text, rounds, calls, **more):
    """Runs a tool loop, sending back every item as it came, until the model answers."""
    request = say(text, tools=TOOLS, **more)
    for _ in range(rounds):
        r = send(**request)
        equal(r.status, "completed")
        check_usage(r.usage)
        asked = [item for item in r.output if item.type == "function_call"]
        equal(len(asked), calls)
        equal(len({c.call_id for c in asked}), calls)
        assert all(c.id != c.call_id for c in asked)
        request["input"] += [item.to_dict() for item in r.output]
        for c in asked:
            result = use(c.name, json.loads(c.arguments))
            request["input"].append({"type": "function_call_output", "call_id": c.call_id, "output": result})
    r = send(**request)
    equal(r.status, "completed")
    return r.output_text


@scenario
def chat():
    r = ask(**say("Hello"))
    equal((r.output_text, r.model, r.object, r.status), (GREETING % (1, "Hello"), MODEL, "response", "completed"))
    check_usage(r.usage)
    r = ask(model=MODEL, instructions="Be brief.", input="Hello")
    equal(r.output_text, GREETING % (1, "Hello"))


@scenario
def stream():
    r = ask_streamed(**say("Hello"))
    equal((r.output_text, r.model, r.status), (GREETING % (1, "Hello"), MODEL, "completed"))
    check_usage(r.usage)


@scenario
def history():
    r = ask(**say("Hello"))
    more = say("Again")
    more["input"] = [{"role": "user", "content": "Hello"}] + [i.to_dict() for i in r.output] + more["input"]
    equal(ask(**more).output_text, GREETING % (3, "Again"))


@scenario
def length():
    last = [ev for ev in ask(**say("#long", max_output_tokens=77), stream=True)][-1]
    equal(last.type, "response.incomplete")  # the SDK's accumulator takes completed ones alone
    for r in ask(**say("#long", max_output_tokens=77)), last.response:
        equal((r.output_text, r.status, r.incomplete_details.reason), ("Cut at 77", "incomplete", "max_output_tokens"))


@scenario
def image():
    content = [{"type": "input_text", "text": "#image"}, {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64," + PNG}]
    equal(ask(**say(content)).output_text, SAW)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    city: str
    celsius: int


@scenario
def structured():
    r = responses.parse(**say("#json"), text_format=Answer)
    equal(r.output_parsed, Answer(city="Zürich", celsius=21))
    with responses.stream(**say("#json"), text_format=Answer) as s:
        equal(s.get_final_response().output_parsed, Answer(city="Zürich", celsius=21))


@scenario
def tool_loop():
    equal(loop(ask, "#weather", 1, 1), 'The tools said: 20 °C in Zürich "ZH"')


@scenario
def tool_loop_streamed():
    equal(loop(ask_streamed, "#weather", 1, 1), 'The tools said: 20 °C in Zürich "ZH"')


@scenario
def parallel_tools():
    for send in ask, ask_streamed:
        equal(loop(send, "#parallel", 1, 2), "The tools said: 10 °C in Paris | 30 °C in Oslo")


@scenario
def no_arguments():
    for send in ask, ask_streamed:
        equal(loop(send, "#noargs", 1, 1), "The tools said: 12:00")


@scenario
def two_steps():
    for send in ask, ask_streamed:
        equal(loop(send, "#steps", 2, 1), 'The tools said: 20 °C in Zürich "ZH" | 12:00')


@scenario
def thinking():
    """What the model thought comes back with the results, else its vendor refuses them."""
    if FORMAT == "chat":
        return
    more = {"model": THINKER, "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": False}
    for send in ask, ask_streamed:
        r = send(**say("#weather", tools=TOOLS, **more))
        thought = r.output[0]
        equal((thought.type, thought.summary[0].text), ("reasoning", "The user wrote 8 bytes; step 1."))
        assert thought.encrypted_content, thought
        equal(loop(send, "#steps", 2, 1, **more), 'The tools said: 20 °C in Zürich "ZH" | 12:00')


@scenario
def tool_choice():
    equal(ask(**say("#choice", tools=TOOLS, tool_choice="auto", parallel_tool_calls=False)).output_text, "choice=auto serial=true")
    for choice in "required", {"type": "function", "name": "get_weather"}:
        r = ask(**say("#forced", tools=TOOLS, tool_choice=choice))
        equal([(c.name, json.loads(c.arguments)) for c in r.output if c.type == "function_call"], [("get_weather", {"city": "Bern", "days": 1})])


@scenario
def goes_on():
    """An answer is gone on from by its id."""
    first = ask(model=MODEL, input="Hello")
    if FORMAT == "responses":  # the scripted vendor keeps nothing
        assert " after " + first.id in ask(model=MODEL, input="Again", previous_response_id=first.id).output_text
        return
    equal(ask(model=MODEL, input="Again", previous_response_id=first.id, instructions="Be brief.").output_text, GREETING % (3, "Again"))
    equal(responses.retrieve(first.id).output_text, first.output_text)
    responses.delete(first.id)
    with raises(openai.BadRequestError, "not found"):
        ask(model=MODEL, input="Again", previous_response_id=first.id)


@scenario
def wrong_key():
    with raises(openai.AuthenticationError):
        client.with_options(api_key="sk-gw-wrong").responses.create(**say("Hello"))


@scenario
def unknown_model():
    with raises(openai.NotFoundError, "no-such-model"):
        ask(**say("Hello") | {"model": "no-such-model"})


@scenario
def rate_limited():
    with raises(openai.RateLimitError):
        ask(**say("Hello") | {"model": LIMITED})
    with raises(openai.RateLimitError):
        ask_streamed(**say("Hello") | {"model": LIMITED})


@scenario
def mid_stream_error():
    with raises(openai.APIError, "Overloaded" if FORMAT == "anthropic" else "The server had an error"):
        ask_streamed(**say("Hello") | {"model": BROKEN})


@scenario
def lost_connection():
    with raises(openai.APIError, "upstream"):
        ask_streamed(**say("Hello") | {"model": CUT})


@scenario
def context_length():
    words = "prompt is too long" if FORMAT == "anthropic" else "maximum context length"
    with raises(openai.BadRequestError, words):
        ask(**say("#toolong"))


main()
