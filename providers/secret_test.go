package providers

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestTidySecret(t *testing.T) {
	f := func(in, want, problem string) {
		t.Helper()
		got, err := TidySecret(in)
		if got != want || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if err != nil && len(in) > 4 && strings.Contains(err.Error(), in) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	f(" sk-abc\n", "sk-abc", "")
	f("AKIA:secret", "AKIA:secret", "")
	f("", "", "is empty")
	f(" \n", "", "is empty")
	f("sk one two", "", "without white space")
	f("sk-ключ", "", "printable ASCII")
	f("sk-gw-abc", "", "a key of this gateway")
	f("{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMII\\n\"\n}\n", `{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nMII\n"}`, "")
	f(`{"a": `, "", "is no JSON")
	const odd = "{\"name\": \"日本 \U0001F600 \x7f\"}"
	got, err := TidySecret(odd)
	var was, is any
	if err != nil || json.Unmarshal([]byte(odd), &was) != nil || json.Unmarshal([]byte(got), &is) != nil || !reflect.DeepEqual(was, is) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("%q, %v", got, err)
	}
}
