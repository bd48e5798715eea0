"""OpenAI's SDK: reads OPENAI_BASE_URL and OPENAI_API_KEY."""
import os

from openai import OpenAI

client = OpenAI()
stream = client.chat.completions.create(
    model=os.environ.get("MODEL", "demo"),
    messages=[{"role": "user", "content": "Say hello in one sentence."}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
    if chunk.usage:
        print(f"\n[{chunk.usage.prompt_tokens} in, {chunk.usage.completion_tokens} out]")
