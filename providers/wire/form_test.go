package wire

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"time"
)

type formPart struct{ name, filename, value string }

// scanForm feeds body in pieces of n bytes.
func scanForm(boundary string, body []byte, n int) (parts []formPart, err error) {
	f, err := NewForm("multipart/form-data; boundary=\"" + boundary + "\"")
	if err != nil {
		return nil, err
	}
	ended := false
	take := func() {
		for ev, ok := f.Next(); ok; ev, ok = f.Next() {
			switch {
			case ev.Name == "":
				ended = true
			case ev.End > 0:
				parts = append(parts, formPart{ev.Name, ev.Filename, string(body[ev.Value:ev.End])})
			}
		}
	}
	for at := 0; at < len(body); at += n {
		if err := f.Feed(body[at:min(at+n, len(body))]); err != nil {
			return parts, err
		}
		take()
	}
	if err := f.End(); err != nil {
		return parts, err
	}
	if !ended {
		return parts, fmt.Errorf("BUG: no end was told")
	}
	return parts, nil
}

const goodForm = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--x\r\n\r\n--b\r\n" +
	"Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\ncontent-disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b--\r\n"

func TestForm(t *testing.T) {
	want := []formPart{{"file", "a.wav", "RIFF\r\n--x\r\n"}, {"model", "", "whisper-1"}, {"empty", "", ""}}
	for n := 1; n <= len(goodForm); n++ {
		got, err := scanForm("b", []byte(goodForm), n)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("pieces of %d: %q, %v", n, got, err)
		}
	}
}

func TestFormRefused(t *testing.T) {
	part := func(head, value string) string { return "--b\r\n" + head + "\r\n\r\n" + value + "\r\n" }
	const model = `Content-Disposition: form-data; name="model"`
	f := func(body, want string) {
		t.Helper()
		start := time.Now()
		for _, n := range []int{1 << 20, 7} {
			if n == 7 && len(body) > 100_000 {
				continue
			}
			_, err := scanForm("b", []byte(body), n)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.80q: %v, want %q", body, err, want)
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%.80q took %v", body, took)
		}
	}
	f("", "before its closing")
	f("--b--\r\n", "no part")
	f("hello", "does not begin")
	f("--b"+strings.Repeat("-", 100_000), "no part")
	f("--bb\r\n", "other characters")
	f(part(model, "x"), "before its closing")
	f(part(model, "x")+"--b--\r\nmore", "follow the closing")
	f(part(model, "x")+"--b \r\n", "other characters")
	f("--b\n"+model+"\n\nx\n--b--\n", "other characters")
	f(strings.Repeat(part(model, "x"), 17)+"--b--", "more than 16 parts")
	f(part(strings.Repeat("X: y\r\n", 200_000)+model, "x"), "exceed 8 KiB")
	f(part("X: y", "x"), "no name")
	f("--b\r\n"+model+"\r\n\r\n--b--\r\n", "at once")
	f(part(model+"\r\n "+"folded: x", "x"), "malformed")
	f(part(model+"\r\n"+model, "x"), "two dispositions")
	f(part(model+`; name="other"`, "x"), "not form-data")
	f(part(`Content-Disposition: form-data; name*=utf-8''model`, "x"), "extended")
	f(part(`Content-Disposition: attachment; name="model"`, "x"), "not form-data")
	f(part(`Content-Disposition: form-data; name="file"; filename="../../x"`, "x"), "is a path")
	f(part(`Content-Disposition: form-data; name="file"; filename="a\\b"`, "x"), "is a path")
	f(part(model+"\r\nContent-Transfer-Encoding: base64", "x"), "encoded")
	for _, kind := range []string{"", "application/json", "multipart/form-data", "multipart/mixed; boundary=b", "multipart/form-data; boundary=" + strings.Repeat("b", 71), "multipart/form-data; boundary=\"b\x01\"", "multipart/form-data; boundary=\"b \""} {
		if _, err := NewForm(kind); err == nil {
			t.Errorf("content type %q was accepted", kind)
		}
	}
}

// FuzzForm: what is accepted is read alike by the standard library, however it is cut.
func FuzzForm(f *testing.F) {
	f.Add([]byte(goodForm), uint8(3))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--b--"), uint8(1))
	f.Add([]byte("\r\n--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"\"\r\n\r\n--b\r\n--b--\r\n"), uint8(200))
	f.Fuzz(func(t *testing.T, body []byte, n uint8) {
		got, err := scanForm("b", body, int(n)+1)
		whole, err2 := scanForm("b", body, len(body)+1)
		if (err == nil) != (err2 == nil) || err == nil && fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Fatalf("cut at %d: %q %v; whole: %q %v", int(n)+1, got, err, whole, err2)
		}
		if err != nil {
			return
		}
		r := multipart.NewReader(bytes.NewReader(body), "b")
		for _, p := range got {
			std, err := r.NextRawPart()
			if err != nil {
				t.Fatalf("the standard library does not read part %q: %v", p.name, err)
			}
			value, err := io.ReadAll(std)
			if err != nil || std.FormName() != p.name || string(value) != p.value {
				t.Fatalf("the standard library reads %q %q (%v), not %q", std.FormName(), value, err, p)
			}
		}
		if _, err := r.NextRawPart(); err != io.EOF {
			t.Fatalf("the standard library reads on: %v", err)
		}
	})
}
