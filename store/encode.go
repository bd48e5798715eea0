package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The stored form of entries and rows: one version byte, then protobuf fields
// (tag, wire type, value). A field that is its type's zero is left out. A reader
// skips tags it does not know, so a minor version may add fields; a change that
// old readers must not misread gets a new version byte.
const (
	entryVersion = 1
	rowVersion   = 1
	// spentVersion is of rows and holds with attempts that have Spent, and of corrections of
	// such: who does not know of it would count money where it did not go, or not at all.
	spentVersion = 2
)

// Bounds of what is recorded. Longer text is cut at a rune's border, so that a
// caller cannot make a record of any size he likes.
const (
	MaxText     = 512      // bytes of each recorded string
	MaxMetadata = 16 << 10 // bytes of names and values of a row's metadata together
	MaxAttempts = 64       // attempts of a row that are kept
	MaxTrace    = 32       // lines of a row's trace that are kept
)

// Field numbers. They are the format: never renumber, never reuse.
const (
	entryBoot      protowire.Number = 1
	entrySeq       protowire.Number = 2
	entryKind      protowire.Number = 3
	entryTime      protowire.Number = 4
	entryRequestID protowire.Number = 5
	entryHold      protowire.Number = 6
	entryRow       protowire.Number = 7
	entryDelta     protowire.Number = 8
	entryDay       protowire.Number = 9
	entryNote      protowire.Number = 10

	entryMarkup       protowire.Number = 11
	entryUnconfirmed  protowire.Number = 12
	entryPriceVersion protowire.Number = 13
	entryPriceSource  protowire.Number = 14

	entryUnconfirmedTokens protowire.Number = 15
	entryAttempt           protowire.Number = 16
)

const (
	holdKeyID         protowire.Number = 1
	holdKeyName       protowire.Number = 2
	holdGroup         protowire.Number = 3
	holdOperation     protowire.Number = 4
	holdModel         protowire.Number = 5
	holdProvider      protowire.Number = 6
	holdAccount       protowire.Number = 7
	holdAccountID     protowire.Number = 8
	holdUpstreamModel protowire.Number = 9
	holdStream        protowire.Number = 10
	holdReserved      protowire.Number = 11
	holdInput         protowire.Number = 12

	holdReservedTokens protowire.Number = 13
	holdInputTokens    protowire.Number = 14
	holdAttempt        protowire.Number = 15 // repeated
)

const (
	rowRequestID       protowire.Number = 1
	rowClientRequestID protowire.Number = 2
	rowTime            protowire.Number = 3
	rowKeyID           protowire.Number = 4
	rowKeyName         protowire.Number = 5
	rowGroup           protowire.Number = 6
	rowEndUser         protowire.Number = 7
	rowOperation       protowire.Number = 8
	rowDialect         protowire.Number = 9
	rowModel           protowire.Number = 10
	rowProvider        protowire.Number = 11
	rowAccount         protowire.Number = 12
	rowAccountID       protowire.Number = 13
	rowUpstreamModel   protowire.Number = 14
	rowUpstreamID      protowire.Number = 15
	rowStatus          protowire.Number = 16
	rowStream          protowire.Number = 17
	rowEndReason       protowire.Number = 18
	rowAttempt         protowire.Number = 19 // repeated
	rowTokens          protowire.Number = 20
	rowUsageSource     protowire.Number = 21
	rowCost            protowire.Number = 22
	rowReserved        protowire.Number = 23
	rowPriceVersion    protowire.Number = 24
	rowPriceSource     protowire.Number = 25
	rowFlags           protowire.Number = 26
	rowTTFT            protowire.Number = 27
	rowDuration        protowire.Number = 28
	rowOverhead        protowire.Number = 29
	rowError           protowire.Number = 30
	rowMetadata        protowire.Number = 31 // repeated: name (1), value (2)
	rowMarkup          protowire.Number = 32
	rowAdjusted        protowire.Number = 33
	rowPriceKind       protowire.Number = 34

	rowUnconfirmedTokens protowire.Number = 35

	rowTrace protowire.Number = 40 // repeated
)

const (
	attemptProvider protowire.Number = 1
	attemptAccount  protowire.Number = 2
	attemptModel    protowire.Number = 3
	attemptStatus   protowire.Number = 4
	attemptOutcome  protowire.Number = 5
	attemptStart    protowire.Number = 6
	attemptDuration protowire.Number = 7
	attemptError    protowire.Number = 8
	attemptCost     protowire.Number = 9

	// Of its Spent, which is there where one of these is.
	attemptAccountID    protowire.Number = 10
	attemptTokens       protowire.Number = 11
	attemptUsageSource  protowire.Number = 12 // always written
	attemptMarkup       protowire.Number = 13
	attemptAdjusted     protowire.Number = 14
	attemptPriceVersion protowire.Number = 15
	attemptPriceSource  protowire.Number = 16
	attemptPriceKind    protowire.Number = 17
)

// AppendEntry appends the stored form of e to dst. Text is bounded (MaxText,
// MaxMetadata, MaxAttempts) and cleaned: invalid UTF-8 and NUL become U+FFFD.
func AppendEntry(dst []byte, e *Entry) []byte {
	version := byte(entryVersion)
	if e.Attempt != 0 || e.Hold != nil && len(e.Hold.Attempts) > 0 {
		version = spentVersion
	}
	dst = append(dst, version)
	dst = appendText(dst, entryBoot, e.Boot)
	dst = appendUint(dst, entrySeq, e.Seq)
	dst = appendUint(dst, entryKind, uint64(e.Kind))
	dst = appendTime(dst, entryTime, e.Time)
	dst = appendText(dst, entryRequestID, e.RequestID)
	if e.Hold != nil {
		var at int
		dst, at = open(dst, entryHold)
		dst = appendHold(dst, e.Hold)
		closeAt(dst, at)
	}
	if e.Row != nil {
		var at int
		dst, at = open(dst, entryRow)
		dst = AppendRow(dst, e.Row)
		closeAt(dst, at)
	}
	dst = appendUint(dst, entryDelta, protowire.EncodeZigZag(e.DeltaNano))
	dst = appendTime(dst, entryDay, e.Day)
	dst = appendText(dst, entryNote, e.Note)
	dst = appendUint(dst, entryMarkup, uint64(e.MarkupNano))
	dst = appendUint(dst, entryUnconfirmed, uint64(e.UnconfirmedNano))
	dst = appendUint(dst, entryUnconfirmedTokens, uint64(e.UnconfirmedTokens))
	dst = appendUint(dst, entryAttempt, uint64(e.Attempt))
	dst = appendText(dst, entryPriceVersion, e.PriceVersion)
	return appendText(dst, entryPriceSource, e.PriceSource)
}

func appendHold(dst []byte, h *Hold) []byte {
	dst = appendText(dst, holdKeyID, h.KeyID)
	dst = appendText(dst, holdKeyName, h.KeyName)
	dst = appendText(dst, holdGroup, h.Group)
	dst = appendText(dst, holdOperation, h.Operation)
	dst = appendText(dst, holdModel, h.Model)
	dst = appendText(dst, holdProvider, h.Provider)
	dst = appendText(dst, holdAccount, h.Account)
	dst = appendText(dst, holdAccountID, h.AccountID)
	dst = appendText(dst, holdUpstreamModel, h.UpstreamModel)
	dst = appendUint(dst, holdStream, flag(h.Stream))
	dst = appendUint(dst, holdReserved, uint64(h.ReservedNano))
	dst = appendUint(dst, holdInput, uint64(h.InputNano))
	dst = appendUint(dst, holdReservedTokens, uint64(h.ReservedTokens))
	dst = appendUint(dst, holdInputTokens, uint64(h.InputTokens))
	return appendAttempts(dst, holdAttempt, h.Attempts)
}

// AppendRow appends the stored form of r to dst, bounded and cleaned as AppendEntry says.
func AppendRow(dst []byte, r *UsageRow) []byte {
	version := byte(rowVersion)
	for i := range r.kept() {
		if r.Attempts[i].Spent != nil {
			version = spentVersion
		}
	}
	dst = append(dst, version)
	dst = appendText(dst, rowRequestID, r.RequestID)
	dst = appendText(dst, rowClientRequestID, r.ClientRequestID)
	dst = appendTime(dst, rowTime, r.Time)
	dst = appendText(dst, rowKeyID, r.KeyID)
	dst = appendText(dst, rowKeyName, r.KeyName)
	dst = appendText(dst, rowGroup, r.Group)
	dst = appendText(dst, rowEndUser, r.EndUser)
	dst = appendText(dst, rowOperation, r.Operation)
	dst = appendText(dst, rowDialect, r.Dialect)
	dst = appendText(dst, rowModel, r.Model)
	dst = appendText(dst, rowProvider, r.Provider)
	dst = appendText(dst, rowAccount, r.Account)
	dst = appendText(dst, rowAccountID, r.AccountID)
	dst = appendText(dst, rowUpstreamModel, r.UpstreamModel)
	dst = appendText(dst, rowUpstreamID, r.UpstreamID)
	dst = appendUint(dst, rowStatus, uint64(r.Status))
	dst = appendUint(dst, rowStream, flag(r.Stream))
	dst = appendText(dst, rowEndReason, r.EndReason)
	dst = appendAttempts(dst, rowAttempt, r.Attempts)
	dst = appendTokens(dst, rowTokens, &r.Tokens)
	dst = appendText(dst, rowUsageSource, r.UsageSource)
	dst = appendUint(dst, rowCost, uint64(r.CostNano))
	dst = appendUint(dst, rowMarkup, uint64(r.MarkupNano))
	dst = appendUint(dst, rowAdjusted, uint64(r.AdjustedNano))
	dst = appendUint(dst, rowReserved, uint64(r.ReservedNano))
	dst = appendUint(dst, rowUnconfirmedTokens, uint64(r.UnconfirmedTokens))
	dst = appendText(dst, rowPriceVersion, r.PriceVersion)
	dst = appendText(dst, rowPriceSource, r.PriceSource)
	dst = appendText(dst, rowPriceKind, r.PriceKind)
	dst = appendUint(dst, rowFlags, uint64(r.Flags))
	dst = appendUint(dst, rowTTFT, uint64(r.TTFT))
	dst = appendUint(dst, rowDuration, uint64(r.Duration))
	dst = appendUint(dst, rowOverhead, uint64(r.Overhead))
	dst = appendText(dst, rowError, r.Error)
	for i, line := range r.Trace {
		if i == MaxTrace {
			break
		}
		dst = appendText(dst, rowTrace, line)
	}
	return appendMetadata(dst, r.Metadata)
}

func appendAttempts(dst []byte, num protowire.Number, attempts []Attempt) []byte {
	for i := range attempts[:min(len(attempts), MaxAttempts)] {
		var at int
		dst, at = open(dst, num)
		dst = appendAttempt(dst, &attempts[i])
		closeAt(dst, at)
	}
	return dst
}

func appendAttempt(dst []byte, a *Attempt) []byte {
	dst = appendText(dst, attemptProvider, a.Provider)
	dst = appendText(dst, attemptAccount, a.Account)
	dst = appendText(dst, attemptModel, a.Model)
	dst = appendUint(dst, attemptStatus, uint64(a.Status))
	dst = appendText(dst, attemptOutcome, a.Outcome)
	dst = appendUint(dst, attemptStart, uint64(a.Start))
	dst = appendUint(dst, attemptDuration, uint64(a.Duration))
	dst = appendText(dst, attemptError, a.Error)
	dst = appendUint(dst, attemptCost, uint64(a.CostNano))
	s := a.Spent
	if s == nil {
		return dst
	}
	dst = appendText(dst, attemptAccountID, s.AccountID)
	dst = appendTokens(dst, attemptTokens, &s.Tokens)
	dst = appendText(dst, attemptUsageSource, cmp.Or(s.UsageSource, SourceNone))
	dst = appendUint(dst, attemptMarkup, uint64(s.MarkupNano))
	dst = appendUint(dst, attemptAdjusted, uint64(s.AdjustedNano))
	dst = appendText(dst, attemptPriceVersion, s.PriceVersion)
	dst = appendText(dst, attemptPriceSource, s.PriceSource)
	return appendText(dst, attemptPriceKind, s.PriceKind)
}

func appendTokens(dst []byte, num protowire.Number, t *Tokens) []byte {
	before := len(dst)
	dst, at := open(dst, num)
	dst = appendUint(dst, 1, uint64(t.Input)) // numbered as in fields
	dst = appendUint(dst, 2, uint64(t.InputAudio))
	dst = appendUint(dst, 3, uint64(t.InputImage))
	dst = appendUint(dst, 4, uint64(t.CacheRead))
	dst = appendUint(dst, 5, uint64(t.CacheWrite5m))
	dst = appendUint(dst, 6, uint64(t.CacheWrite1h))
	dst = appendUint(dst, 7, uint64(t.Output))
	dst = appendUint(dst, 8, uint64(t.OutputAudio))
	dst = appendUint(dst, 9, uint64(t.OutputImage))
	dst = appendUint(dst, 10, uint64(t.Reasoning))
	dst = appendUint(dst, 11, uint64(t.Images))
	dst = appendUint(dst, 12, uint64(t.AudioMs))
	dst = appendUint(dst, 13, uint64(t.Characters))
	dst = appendUint(dst, 14, uint64(t.Searches))
	if len(dst) == at {
		return dst[:before]
	}
	closeAt(dst, at)
	return dst
}

// appendMetadata writes pairs in the order of their names, so that equal rows
// have equal bytes, and stops before the pair that would exceed MaxMetadata.
func appendMetadata(dst []byte, m map[string]string) []byte {
	if len(m) == 0 {
		return dst
	}
	var few [16]string
	names := few[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	left := MaxMetadata
	for _, name := range names {
		k, v := clean(name, MaxText), clean(m[name], MaxMetadata)
		if len(k)+len(v) > left {
			break
		}
		left -= len(k) + len(v)
		var at int
		dst, at = open(dst, rowMetadata)
		dst = appendText(dst, 1, k)
		dst = appendTag(dst, 2, protowire.BytesType)
		dst = protowire.AppendString(dst, v)
		closeAt(dst, at)
	}
	return dst
}

// fields lists the buckets in the order of their field numbers, from 1.
func (t *Tokens) fields() [14]*int64 {
	return [14]*int64{
		&t.Input, &t.InputAudio, &t.InputImage, &t.CacheRead, &t.CacheWrite5m, &t.CacheWrite1h,
		&t.Output, &t.OutputAudio, &t.OutputImage, &t.Reasoning,
		&t.Images, &t.AudioMs, &t.Characters, &t.Searches,
	}
}

// counts are the buckets in the order of fields.
func (t *Tokens) counts() [14]int64 {
	return [14]int64{
		t.Input, t.InputAudio, t.InputImage, t.CacheRead, t.CacheWrite5m, t.CacheWrite1h,
		t.Output, t.OutputAudio, t.OutputImage, t.Reasoning,
		t.Images, t.AudioMs, t.Characters, t.Searches,
	}
}

// open begins a nested message whose length is not known yet: three bytes are
// kept for it, filled by closeAt as a padded varint (legal, up to 2 MiB).
func open(dst []byte, num protowire.Number) (out []byte, at int) {
	dst = appendTag(dst, num, protowire.BytesType)
	return append(dst, 0, 0, 0), len(dst) + 3
}

func closeAt(dst []byte, at int) {
	n := len(dst) - at
	if n >= 1<<21 {
		panic("BUG: a nested record exceeds 2 MiB though its fields are bounded")
	}
	dst[at-3], dst[at-2], dst[at-1] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
}

// appendTag writes what a field begins with. Its number is below 2,048, as all here are.
func appendTag(dst []byte, num protowire.Number, typ protowire.Type) []byte {
	tag := uint(num)<<3 | uint(typ)
	if tag >= 0x80 {
		dst = append(dst, byte(tag)|0x80)
		tag >>= 7
	}
	return append(dst, byte(tag))
}

// appendText is small so that fields that are left out cost no call; so is appendUint.
func appendText(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return appendFilled(dst, num, s)
}

// appendFilled copies some bytes at a time and looks meanwhile whether they are plain.
func appendFilled(dst []byte, num protowire.Number, s string) []byte {
	n := len(dst)
	if len(s) >= 0x80 || cap(dst)-n < len(s)+3 {
		return appendTextSlow(dst, num, s)
	}
	out := dst[:n+len(s)+3]
	tag := uint(num)<<3 | uint(protowire.BytesType)
	if tag >= 0x80 {
		out[n] = byte(tag) | 0x80
		n++
		tag >>= 7
	}
	out[n], out[n+1] = byte(tag), byte(len(s))
	out = out[n+2 : n+2+len(s) : n+2+len(s)]
	var seen uint64
	switch last := len(s) - 8; {
	case last >= 0:
		for i := 0; i < last; i += 8 {
			w := word(s[i:])
			binary.LittleEndian.PutUint64(out[i:i+8:i+8], w)
			seen |= w | (w - lows)
		}
		w := word(s[last:]) // again, in part
		binary.LittleEndian.PutUint64(out[last:last+8:last+8], w)
		seen |= w | (w - lows)
	case last >= -4:
		w, v := half(s), half(s[last+4:])
		binary.LittleEndian.PutUint32(out[:4:4], w)
		binary.LittleEndian.PutUint32(out[last+4:last+8:last+8], v)
		both := uint64(w)<<32 | uint64(v)
		seen = both | (both - lows)
	default:
		for i := range len(s) {
			c := s[i]
			out[i] = c
			seen |= uint64(c | (c - 1))
		}
	}
	if seen&highs != 0 {
		return appendTextSlow(dst, num, s)
	}
	return dst[:n+2+len(s)]
}

func appendTextSlow(dst []byte, num protowire.Number, s string) []byte {
	return protowire.AppendString(appendTag(dst, num, protowire.BytesType), clean(s, MaxText))
}

func appendUint(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return appendNumber(dst, num, v)
}

func appendNumber(dst []byte, num protowire.Number, v uint64) []byte {
	const most = 2 + binary.MaxVarintLen64
	if cap(dst)-len(dst) < most {
		dst = slices.Grow(dst, most)
	}
	n := len(dst)
	out := dst[:n+most]
	tag := uint(num)<<3 | uint(protowire.VarintType)
	if tag >= 0x80 {
		out[n] = byte(tag) | 0x80
		n++
		tag >>= 7
	}
	out[n] = byte(tag)
	for n++; v >= 0x80; n++ {
		out[n] = byte(v) | 0x80
		v >>= 7
	}
	out[n] = byte(v)
	return out[:n+1]
}

// The first and last moments that nanoseconds since 1970 can say in an int64;
// times beyond are recorded as these.
var (
	minTime = time.Unix(0, -1<<63)
	maxTime = time.Unix(0, 1<<63-1)
)

func appendTime(dst []byte, num protowire.Number, t time.Time) []byte {
	if sec := t.Unix(); sec <= minTime.Unix() || sec >= maxTime.Unix() { // or it is zero
		switch {
		case t.IsZero():
			return dst
		case t.Before(minTime):
			t = minTime
		case t.After(maxTime):
			t = maxTime
		}
	}
	dst = appendTag(dst, num, protowire.Fixed64Type)
	return binary.LittleEndian.AppendUint64(dst, uint64(t.UnixNano()))
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
