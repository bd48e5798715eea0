package relay

import (
	"math"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestEstimateTokens(t *testing.T) {
	f := func(s string, want int64) {
		t.Helper()
		if got := estimateTokens([]byte(s)); got != want {
			t.Errorf("%.20q: %d, want %d", s, got, want)
		}
	}
	f("", 0)
	f("a", 1)
	f(strings.Repeat("a", 400), 100)
	f("你好", 2)
	f(strings.Repeat("你", 100), 100)
	f("hello 你好 world", 3+2)
	for n := range 70 { // wherever it stands
		f(strings.Repeat("a", n)+"好"+strings.Repeat("a", 69-n), (69+3)/4+1)
	}
}

// TestLinkedImages: images given by an address are counted, words like theirs are not.
func TestLinkedImages(t *testing.T) {
	f := func(body string, want int) {
		t.Helper()
		if got := linkedImages([]byte(body)); got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
	f(``, 0)
	f(`"`, 0)
	f(`{"text":"hello"}`, 0)
	f(`{"type":"image_url","image_url":{"url":"https://a/b.png"}}`, 1)
	f(`{"type":"image_url","image_url" : "https://a/b.png"},{"image_url":null}`, 2)
	f(`{"fileData":{"fileUri":"gs://a"}},{"file_data":{"file_uri":"gs://b"}}`, 2)
	f(`{"type":"image","source":{"type":"url","url":"https://a/b.png"}}`, 1)
	f(`{"type":"image","source":{"type":"base64","data":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}},{"url":1}`, 0)
	f(`{"source":1},{"image_url":1},{"file_uri":1},{"fileUri":1}`, 3)
	f(`{"image_url`, 0)
	f(`{"image_url"`, 0)
	f(`{"content":"say \"image_url\": here"}`, 0)
	f(`{"content":"the \"source\" and the url"}`, 0)
}

// TestAttaches: no string that attachedTokens takes for media is missed.
func TestAttaches(t *testing.T) {
	for n := longText - 3; n < longText+3; n++ {
		for _, before := range []int{0, 1, 2, 100, longText - 1, longText, 2*longText + 7} {
			body := []byte(strings.Repeat(`"x"`, before) + `"` + strings.Repeat("A", n) + `"` + strings.Repeat(`,"y"`, before))
			if got := attaches(body); n >= longText && !got {
				t.Errorf("a string of %d bytes behind %d others is missed", n, before)
			} else if n < longText-1 && got {
				t.Errorf("a string of %d bytes behind %d others is taken for a long one", n, before)
			}
			if text := textTokens(int64(len(body))); !attaches(body) && attachedTokens(body) != text {
				t.Errorf("%d bytes behind %d: %d tokens, want %d", n, before, attachedTokens(body), text)
			}
		}
	}
}

// TestBoundOfManyPictures: a number of pictures whose tokens do not fit must not
// come to less than nothing, which would make room in a budget.
func TestBoundOfManyPictures(t *testing.T) {
	for _, n := range []int64{1, 10, math.MaxInt64/pictureTokens + 1, math.MaxInt64} {
		x := &exchange{job: &Job{Op: providers.OpImages, Body: []byte(`{"model":"m","prompt":"a cat"}`), Peek: providers.Peek{N: n}}}
		if u := x.bound(); u.OutputImage < n || u.Images != n {
			t.Errorf("%d pictures come to %d tokens", n, u.OutputImage)
		}
	}
}
