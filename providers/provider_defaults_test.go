package providers

import (
	"strings"
	"testing"
)

func TestDefaultURL(t *testing.T) {
	f := func(c Call, want string) {
		t.Helper()
		if got := DefaultURL(&c); got != want {
			t.Errorf("DefaultURL(%+v) = %q, want %q", c, got, want)
		}
	}
	const v1 = "https://api.openai.com/v1"
	f(Call{Op: OpChat, Dialect: Chat, Base: v1}, v1+"/chat/completions")
	f(Call{Op: OpChat, Dialect: Chat, Base: v1 + "/"}, v1+"/chat/completions")
	f(Call{Op: OpChat, Dialect: Chat, Base: v1 + "//", Path: "responses"}, v1+"/chat/completions")
	f(Call{Op: OpChat, Dialect: Responses, Base: v1}, v1+"/responses")
	f(Call{Op: OpChat, Dialect: Messages, Base: v1}, v1+"/messages")
	f(Call{Op: OpChat, Base: "https://api.deepseek.com"}, "https://api.deepseek.com/chat/completions")
	f(Call{Op: OpCompletions, Base: v1}, v1+"/completions")
	f(Call{Op: OpEmbeddings, Base: v1, Path: "embeddings"}, v1+"/embeddings")
	f(Call{Op: OpModels, Base: v1}, v1+"/models")
	f(Call{Op: OpModels, Base: v1, Path: "models/gpt-4o"}, v1+"/models/gpt-4o")
	f(Call{Op: OpImages, Base: v1, Path: "/images/edits"}, v1+"/images/edits")
	f(Call{Op: OpImages, Base: v1}, v1+"/images/generations")
	f(Call{Op: OpAudio, Base: v1}, v1+"/audio/speech")
	f(Call{Op: OpModerations, Base: v1}, v1+"/moderations")
	f(Call{Op: OpRerank, Base: v1}, v1+"/rerank")
	f(Call{Op: OpCountTokens, Base: v1}, v1+"/messages/count_tokens")
}

func TestDefaultSign(t *testing.T) {
	c := Call{Secret: "sk-1", Header: []Header{{"Authorization", "Bearer old"}, {"Accept", "*/*"}}}
	if err := DefaultSign(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Header) != 2 || c.Header[0] != (Header{"Authorization", "Bearer sk-1"}) {
		t.Fatalf("headers after signing: %v", c.Header)
	}

	c = Call{}
	if err := DefaultSign(&c); err != nil || len(c.Header) != 0 {
		t.Fatalf("a call without a key got headers %v, error %v", c.Header, err)
	}

	for _, bad := range []string{"sk-secret\r\nX-Evil: 1", "sk secret", "sk-sécret", "sk-secret\x7f"} {
		c = Call{Secret: bad}
		err := DefaultSign(&c)
		if err == nil || len(c.Header) != 0 {
			t.Errorf("key %q was accepted", bad)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}
