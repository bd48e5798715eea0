"""Anthropic's SDK: reads ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY."""
import os

from anthropic import Anthropic

client = Anthropic()
with client.messages.stream(
    model=os.environ.get("MODEL", "demo"),
    max_tokens=300,
    messages=[{"role": "user", "content": "Say hello in one sentence."}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
    usage = stream.get_final_message().usage
print(f"\n[{usage.input_tokens} in, {usage.output_tokens} out]")
