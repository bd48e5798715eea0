"""Google's SDK: reads GOOGLE_GEMINI_BASE_URL and GEMINI_API_KEY."""
import os

from google import genai

client = genai.Client()
usage = None
for chunk in client.models.generate_content_stream(
    model=os.environ.get("MODEL", "demo"),
    contents="Say hello in one sentence.",
):
    print(chunk.text or "", end="", flush=True)
    usage = chunk.usage_metadata or usage
assert usage is not None
print(f"\n[{usage.prompt_token_count} in, {usage.candidates_token_count} out]")
