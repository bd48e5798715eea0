package bolt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// Rows are found by key and by request id through slots: each covers slotRows rows
// in the order they were appended and is one value, two sorted lists of postings.
// A tree with an entry a row would touch a page a row, for both words are
// scattered: it costs seven times as much. A search asks each slot of the day, by
// bisection.
//
//	version (1), number of postings (2), greatest row key of this and all older
//	slots (16), postings by request (24 each), postings by key (24 each)
const (
	slotRows   = 256
	slotHeader = 1 + 2 + rowKeyLen
	postingLen = 8 + rowKeyLen
)

// A posting leads from a word, the hash of what is searched for, to a row key.
// Words may collide: what they lead to is compared.
type posting struct{ word, hi, lo uint64 }

func comparePostings(a, b posting) int {
	if a.word != b.word {
		return cmp.Compare(a.word, b.word)
	}
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	return cmp.Compare(a.lo, b.lo)
}

func readPosting(b []byte) posting {
	return posting{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
}

func (p posting) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, p.word)
	return p.appendKey(dst)
}

func (p posting) appendKey(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, p.hi), p.lo)
}

func (p posting) key() []byte { return p.appendKey(make([]byte, 0, rowKeyLen)) }

// rowKeyPosting is a posting of a row key, of which later bytes may be missing.
func rowKeyPosting(word uint64, key []byte) posting {
	var whole [rowKeyLen]byte
	copy(whole[:], key)
	return posting{word, binary.BigEndian.Uint64(whole[:]), binary.BigEndian.Uint64(whole[8:])}
}

// wordOf is FNV-1a of the text as it is recorded.
func wordOf[T string | []byte](s T) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// requestWord is the word of a request id as it is recorded: that of its last 8
// characters, so that it is found by these as well.
func requestWord[T string | []byte](id T) uint64 { return wordOf(id[max(0, len(id)-tailLen):]) }

const tailLen = 8

// slotView is a slot as it is stored.
type slotView struct {
	top          posting // greatest row key of this and all older slots; no word
	byReq, byKey []byte
}

func viewSlot(v []byte) (s slotView, err error) {
	if len(v) == 0 {
		return s, nil
	}
	if v[0] != recordVersion || len(v) < slotHeader {
		return s, fmt.Errorf("unknown index: %w", store.ErrCorrupt)
	}
	n := int(binary.BigEndian.Uint16(v[1:])) * postingLen
	if len(v) != slotHeader+2*n {
		return s, fmt.Errorf("index cut short: %w", store.ErrCorrupt)
	}
	s.top = rowKeyPosting(0, v[3:slotHeader])
	s.byReq, s.byKey = v[slotHeader:slotHeader+n], v[slotHeader+n:]
	return s, nil
}

// below returns how many postings of a list are less than p.
func below(list []byte, p posting) int {
	lo, hi := 0, len(list)/postingLen
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if comparePostings(readPosting(list[mid*postingLen:]), p) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// merge appends the union of a stored list and of sorted postings to dst.
func merge(dst, list []byte, added []posting) []byte {
	for _, p := range added {
		n := below(list, p) * postingLen
		dst = append(dst, list[:n]...)
		list = list[n:]
		dst = p.append(dst)
	}
	return append(dst, list...)
}

// An indexWriter collects the postings of new rows and writes them into slots.
type indexWriter struct {
	slots        *bbolt.Bucket
	count        uint64 // rows in the slots
	byReq, byKey []posting
}

// add notes by which words the row of a key is found.
func (w *indexWriter) add(byReq, byKey uint64, key posting) error {
	key.word = byReq
	w.byReq = append(w.byReq, key)
	key.word = byKey
	w.byKey = append(w.byKey, key)
	if w.count%slotRows+uint64(len(w.byReq)) == slotRows {
		return w.flush()
	}
	return nil
}

// flush writes what was collected into the newest slot; it never holds more than fits there.
func (w *indexWriter) flush() error {
	n := len(w.byReq)
	if n == 0 {
		return nil
	}
	at := w.count / slotRows
	name := binary.BigEndian.AppendUint32(nil, uint32(at))
	old, err := viewSlot(w.slots.Get(name))
	if err != nil {
		return err
	}
	top := old.top
	if len(old.byReq) == 0 && at > 0 {
		before, err := viewSlot(w.slots.Get(binary.BigEndian.AppendUint32(nil, uint32(at-1))))
		if err != nil {
			return err
		}
		top = before.top
	}
	for _, p := range w.byKey {
		p.word = 0
		if comparePostings(p, top) > 0 {
			top = p
		}
	}
	slices.SortFunc(w.byReq, comparePostings)
	slices.SortFunc(w.byKey, comparePostings)
	total := len(old.byReq)/postingLen + n
	v := make([]byte, 0, slotHeader+2*total*postingLen)
	v = binary.BigEndian.AppendUint16(append(v, recordVersion), uint16(total))
	v = top.appendKey(v)
	v = merge(v, old.byReq, w.byReq)
	v = merge(v, old.byKey, w.byKey)
	w.count += uint64(n)
	w.byReq, w.byKey = w.byReq[:0], w.byKey[:0]
	return w.slots.Put(name, v)
}

// findRow returns the key and the row of a whole request id, nil if there is none.
func findRow(tx *bbolt.Tx, id string) ([]byte, *store.UsageRow, error) {
	var key []byte
	var found *store.UsageRow
	err := eachRequest(tx, id, func(k []byte, row *store.UsageRow) {
		if row.RequestID == id {
			key, found = k, row
		}
	})
	return key, found, err
}

// eachRequest calls f for the rows whose request ids end as id does in its last 8
// characters, in no order.
func eachRequest(tx *bbolt.Tx, id string, f func(key []byte, row *store.UsageRow)) error {
	rows, c := tx.Bucket(bRows), tx.Bucket(bIndex).Cursor()
	tail := text(id)
	first := posting{word: requestWord(tail)}
	tail = tail[max(0, len(tail)-tailLen):]
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		slot, err := viewSlot(v)
		if err != nil {
			return err
		}
		for n := below(slot.byReq, first) * postingLen; n < len(slot.byReq); n += postingLen {
			p := readPosting(slot.byReq[n:])
			if p.word != first.word {
				break
			}
			row := new(store.UsageRow)
			if err := store.DecodeRow(rows.Get(p.key()), row); err != nil {
				return err
			}
			if strings.HasSuffix(row.RequestID, tail) {
				f(p.key(), row)
			}
		}
	}
	return nil
}

// eachOfKey calls f with the row keys of one API key within [lower, upper), the
// greatest first, until it returns false; exhausted tells that it never did. Slots
// follow each other as the rows ended, their times overlap: a row key is given out
// once no older slot can hold a greater one.
func eachOfKey(tx *bbolt.Tx, keyID string, lower, upper []byte, f func(key []byte) (bool, error)) (exhausted bool, err error) {
	word := wordOf(text(keyID))
	from, to := rowKeyPosting(word, lower), rowKeyPosting(word, upper)
	var open [][]byte // the part of each slot's list that is not given out yet
	give := func(bound posting) (bool, error) {
		for {
			best, at := bound, -1
			for i, list := range open {
				if p := readPosting(list[len(list)-postingLen:]); comparePostings(p, best) > 0 {
					best, at = p, i
				}
			}
			if at < 0 {
				return true, nil
			}
			if open[at] = open[at][:len(open[at])-postingLen]; len(open[at]) == 0 {
				open = slices.Delete(open, at, at+1)
			}
			if more, err := f(best.key()); err != nil || !more {
				return false, err
			}
		}
	}
	c := tx.Bucket(bIndex).Cursor()
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		slot, err := viewSlot(v)
		if err != nil {
			return false, err
		}
		// This slot and those before it hold nothing above top.
		bound := slot.top
		bound.word = word
		if comparePostings(bound, from) < 0 {
			break
		}
		if more, err := give(bound); err != nil || !more {
			return false, err
		}
		first, last := below(slot.byKey, from)*postingLen, below(slot.byKey, to)*postingLen
		if first < last {
			open = append(open, slot.byKey[first:last])
		}
	}
	return give(posting{})
}
