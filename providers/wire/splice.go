package wire

// An Edit replaces the bytes [Start, End) of a body by New; Start == End inserts.
type Edit struct {
	Start, End int
	New        []byte
}

// Splice appends body to dst with edits applied. The edits are sorted by Start
// and do not overlap, with one exception: the cuts of two neighbouring members
// share a comma when the second is the last of its object (see Field); then the
// comma that stands before the two is dropped as well. A cut given twice counts once.
func Splice(dst, body []byte, edits []Edit) []byte {
	base := len(dst)
	if need := len(body) + grown(edits); cap(dst)-base < need {
		dst = append(make([]byte, 0, base+need), dst...)
	}
	pos := 0
	for _, e := range edits {
		if e.Start >= pos {
			dst = append(dst, body[pos:e.Start]...)
		} else if len(e.New) == 0 && e.End > pos {
			dst = trimComma(dst, base)
		}
		dst = append(dst, e.New...)
		pos = max(pos, e.End)
	}
	return append(dst, body[pos:]...)
}

// grown returns how many bytes the edits add at most.
func grown(edits []Edit) (n int) {
	for _, e := range edits {
		n += len(e.New)
	}
	return n
}

// trimComma removes a comma and the white space behind it from the end of dst[base:].
func trimComma(dst []byte, base int) []byte {
	end := len(dst)
	for end > base && (dst[end-1] == ' ' || dst[end-1] == '\n' || dst[end-1] == '\r' || dst[end-1] == '\t') {
		end--
	}
	if end > base && dst[end-1] == ',' {
		return dst[:end-1]
	}
	return dst
}
