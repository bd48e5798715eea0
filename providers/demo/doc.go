// Package demo is the built-in provider that needs no key and no network: a small
// deterministic engine that speaks OpenAI chat, completions, embeddings and models
// and Anthropic messages, buffered and streamed. It answers the first command of a
// new installation, stands in for an upstream in tests, and serves `ai-gateway mock`.
//
// It writes its wire formats itself, without the gateway's dialects, so that it
// can serve as a judge of them. Answers depend on the request alone; only ids and
// times differ between equal requests.
//
// The model's name is the script. A name that does not begin with "demo" answers
// like demo, so that the engine can stand in for any model.
//
//	demo                answers with the caller's own words, first token after 150 ms, 60 tokens a second
//	demo-fast           as demo, without any delay
//	demo-slow           as demo, at 5 tokens a second
//	demo-slow-first     as demo, first token after 8 s
//	demo-error-NNN      HTTP status NNN (400 to 599) with the format's error body; 429 has Retry-After: 1
//	demo-ratelimit      429 with Retry-After: 1 to every first request, an answer to every second
//	demo-error-first    status 200, and the first thing said is an error
//	demo-error-stream   an error event in the middle of the stream; buffered: status 500
//	demo-cut            the connection is cut in the middle of the answer
//	demo-cut-header     the connection is cut in the middle of the response header
//	demo-truncate       the stream ends in order in the middle of the answer: no finish, no terminal event
//	demo-hang           takes the request and never answers (until the caller leaves or Options.MaxHang)
//	demo-stall          falls silent in the middle of the answer (same bounds)
//	demo-empty          a whole answer without any content
//	demo-empty-body     status 200 and not a byte of body
//	demo-garbage        status 200, and the body is not JSON
//	demo-html           status 200 and a page of HTML, as captive portals send
//	demo-no-usage       never reports usage
//	demo-no-done        the stream lacks its terminal event ([DONE], message_stop)
//	demo-tools          calls the first tool given, with arguments that fit its schema
//	demo-thinking       thinks before it answers
//	demo-big            a 256 KiB answer, without delay
//	demo-bigline        an answer whose text comes in one SSE line of 1 MiB
//
// Any of them calls a tool when the caller says "call NAME" or when tool_choice
// demands one, answers a tool's result by quoting it, and emits a valid instance
// when response_format asks for JSON. Temperature, seed and the like are accepted
// and without effect; n is taken as 1.
package demo
