package threads

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/vault"
)

func TestConversationIsTheKeysOwn(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	clock := func() time.Time { return now }
	s := New(vault.New(vault.Options{Now: clock}), vault.Options{Now: clock})
	c := &Conversation{Input: AsItems(json.RawMessage(`"Hi"`)), Response: json.RawMessage(`{"id":"resp_1","output":[{"type":"message","id":"m"}]}`)}
	s.Keep("key", "resp_1", c)
	got, ok := s.Conversation("key", "resp_1")
	if !ok || string(got.Input) != string(c.Input) || string(got.Response) != string(c.Response) {
		t.Fatalf("got %+v, %v", got, ok)
	}
	want := `[{"type":"message","role":"user","content":"Hi"},{"type":"message","id":"m"},{"role":"user","content":"On"}]`
	if all := got.Items(json.RawMessage(`[{"role":"user","content":"On"}]`)); string(all) != want {
		t.Errorf("all of it is %s", all)
	}
	if _, ok := s.Conversation("other", "resp_1"); ok {
		t.Error("another key has found it")
	}
	s.Forget("key", "resp_1")
	if _, ok := s.Conversation("key", "resp_1"); ok {
		t.Error("it was not forgotten")
	}
	s.Keep("key", "resp_2", &Conversation{Input: bytes.Repeat([]byte(" "), maxConversation+1)})
	if _, ok := s.Conversation("key", "resp_2"); ok {
		t.Error("one that is too large was kept")
	}
}

func TestAccountIsKeptLonger(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	clock := func() time.Time { return now }
	s := New(vault.New(vault.Options{Now: clock}), vault.Options{Now: clock})
	s.KeepAt("key", "resp_1", "acc")
	s.Keep("key", "resp_2", &Conversation{})
	now = now.Add(29 * 24 * time.Hour)
	if a, ok := s.Account("key", "resp_1"); !ok || a != "acc" {
		t.Errorf("after 29 days it is %q, %v", a, ok)
	}
	if _, ok := s.Account("other", "resp_1"); ok {
		t.Error("another key has found it")
	}
	if _, ok := s.Conversation("key", "resp_2"); ok {
		t.Error("a conversation outlived a day")
	}
	s.Forget("key", "resp_1")
	if _, ok := s.Account("key", "resp_1"); ok {
		t.Error("it was not forgotten")
	}
}

func TestAsItems(t *testing.T) {
	for in, want := range map[string]string{"": "[]", "null": "[]", "[1]": "[1]", `"a"`: `[{"type":"message","role":"user","content":"a"}]`} {
		if got := AsItems(json.RawMessage(in)); string(got) != want {
			t.Errorf("%q became %s", in, got)
		}
	}
}
