package otel

import (
	"strings"
	"testing"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

// TestParent holds traceparent to W3C Trace Context, level 1, section 3.2.
func TestParent(t *testing.T) {
	f := func(header string, ok, sampled bool) {
		t.Helper()
		_, _, gotSampled, got := parseParent(header)
		if got != ok || gotSampled != sampled {
			t.Errorf("%q: valid %v, sampled %v", header, got, gotSampled)
		}
	}
	whole := "00-" + callersTrace + "-" + callersSpan
	f(whole+"-01", true, true)
	f(whole+"-00", true, false)
	f(whole+"-02", true, false) // the random flag of level 2
	f(whole+"-03", true, true)
	f(" "+whole+"-01\t", true, true)
	f("cc"+whole[2:]+"-01", true, true) // a later version, read as far as it is known
	f("cc"+whole[2:]+"-01-what-the-future-will-be-like", true, true)
	f("cc"+whole[2:]+"-01.what-the-future-will-be-like", false, false)
	f(whole+"-01-x", false, false)
	f("ff"+whole[2:]+"-01", false, false)
	f("00-"+strings.Repeat("0", 32)+"-"+callersSpan+"-01", false, false)
	f("00-"+callersTrace+"-"+strings.Repeat("0", 16)+"-01", false, false)
	f(strings.ToUpper(whole)+"-01", false, false)
	f("00-"+callersTrace+callersSpan+"-01", false, false)
	f("00-"+strings.Replace(callersTrace, "a", "g", 1)+"-"+callersSpan+"-01", false, false)
	f(whole+"-0", false, false)
	f(whole+"-0x", false, false)
	f("", false, false)
}

func FuzzParent(f *testing.F) {
	f.Add("00-" + callersTrace + "-" + callersSpan + "-01")
	f.Add("cc-" + callersTrace + "-" + callersSpan + "-01-x")
	f.Fuzz(func(t *testing.T, header string) {
		id, span, sampled, ok := parseParent(header)
		if !ok {
			return
		}
		tr := &Trace{id: id, sampled: sampled}
		again := tr.headerOf(span)
		id2, span2, sampled2, ok := parseParent(again)
		if !ok || id2 != id || span2 != span || sampled2 != sampled {
			t.Errorf("%q is written as %q", header, again)
		}
	})
}

// TestSampling: a caller's decision counts where the sampler says so, the ratio else;
// the same trace is decided on alike everywhere.
func TestSampling(t *testing.T) {
	f := func(name string, ratio float64, parent string, want bool) {
		t.Helper()
		s := newSampler(name, ratio)
		if got := s.begin(Asked{Parent: parent}).Recorded(); got != want {
			t.Errorf("%s %v with parent %q: recorded %v", name, ratio, parent, got)
		}
	}
	on, off := "00-"+callersTrace+"-"+callersSpan+"-01", "00-"+callersTrace+"-"+callersSpan+"-00"
	f("parentbased_traceidratio", 1, "", true)
	f("parentbased_traceidratio", 0, "", false)
	f("parentbased_traceidratio", 0, on, true)
	f("parentbased_traceidratio", 1, off, false)
	f("parentbased_always_on", 0, "", true)
	f("parentbased_always_off", 1, "", false)
	f("parentbased_always_off", 1, on, true)
	f("traceidratio", 1, off, true)
	f("traceidratio", 0, on, false)
	f("always_on", 0, off, true)
	f("always_off", 1, on, false)
	// …8448eb211c80319c is 0.5167 of all.
	f("traceidratio", .5167, on, false)
	f("traceidratio", .5168, on, true)
	n, s := 0, newSampler("traceidratio", .25)
	for range 20_000 {
		if s.begin(Asked{}).Recorded() {
			n++
		}
	}
	if n < 4600 || n > 5400 {
		t.Errorf("of 20000 traces %d were recorded at 0.25", n)
	}
}

// TestContinues: a trace goes on with the caller's ids and state, and each attempt has
// a span of its own; what is not valid begins a new one.
func TestContinues(t *testing.T) {
	s := newSampler("parentbased_traceidratio", 1)
	tr := s.begin(Asked{Parent: "00-" + callersTrace + "-" + callersSpan + "-01", State: "a=1,b=2"})
	first, state := tr.Attempt("https://api.openai.com/v1/chat/completions", Bounds{})
	second, _ := tr.Attempt("http://10.1.2.3:8000/v1", Bounds{})
	if first == second || state != "a=1,b=2" || !strings.HasPrefix(first, "00-"+callersTrace+"-") || !strings.HasSuffix(first, "-01") || strings.Contains(first, callersSpan) {
		t.Errorf("attempts are told %q, %q and %q", first, second, state)
	}
	if a := tr.tries; a[0].address != "api.openai.com" || a[0].port != 443 || a[1].address != "10.1.2.3" || a[1].port != 8000 {
		t.Errorf("addresses: %+v", a)
	}
	for _, state := range []string{strings.Repeat("x", maxState+1), "a=\x01", "a=\u00e9"} {
		if tr := s.begin(Asked{Parent: "00-" + callersTrace + "-" + callersSpan + "-01", State: state}); tr.state != "" {
			t.Errorf("the state %q is kept", state)
		}
	}
	if tr := s.begin(Asked{Parent: "00-nonsense", State: "a=1"}); tr.state != "" || tr.parent != (SpanID{}) || tr.id == (TraceID{}) {
		t.Errorf("after a parent that is none: %+v", tr)
	}
	var none *Trace
	if p, st := none.Attempt("http://x", Bounds{}); p != "" || st != "" || none.Recorded() {
		t.Error("no trace does something")
	}
}
