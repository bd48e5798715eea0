package bolt

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/your-org/ai-api-gateway/store"
)

// slotSeconds is the width of a roll-up: a quarter of an hour, so that days and
// hours of every time zone are sums of whole ones.
const slotSeconds = 15 * 60

// dims are what roll-ups are kept apart by.
type dims struct{ key, model, provider, account, end, group string }

// dimsOf returns the dims of a row that was read from its stored form, whose text is clean.
func dimsOf(r *store.UsageRow) dims {
	return dims{key: r.KeyID, model: r.Model, provider: r.Provider, account: r.Account, end: r.EndReason, group: r.Group}
}

// at returns the dims of a part of the row that d is of.
func (d dims) at(provider, account string) dims {
	d.provider, d.account = provider, account
	return d
}

func text(s string) string { return store.CleanText(s, store.MaxText) }

// encode joins the dims; cleaned text has no NUL.
func (d dims) encode() []byte {
	b := make([]byte, 1, 64)
	b[0] = recordVersion
	for _, s := range [...]string{d.key, d.model, d.provider, d.account, d.end, d.group} {
		b = append(append(b, s...), 0)
	}
	return b
}

func decodeDims(b []byte) (d dims, err error) {
	if len(b) == 0 || b[0] != recordVersion {
		return d, fmt.Errorf("unknown series: %w", store.ErrCorrupt)
	}
	s := string(b[1:])
	for _, dst := range [...]*string{&d.key, &d.model, &d.provider, &d.account, &d.end, &d.group} {
		n := 0
		for n < len(s) && s[n] != 0 {
			n++
		}
		if n == len(s) {
			return d, fmt.Errorf("series cut short: %w", store.ErrCorrupt)
		}
		*dst, s = s[:n], s[n+1:]
	}
	return d, nil
}

// sums are what a roll-up holds.
type sums struct {
	requests, errors, estimated, cost, duration int64
	tokens                                      store.Tokens
	markup, unconfirmed                         int64
	heldTokens                                  int64 // UsageRow.UnconfirmedTokens
}

func (s *sums) list() [22]*int64 {
	t := &s.tokens
	return [22]*int64{
		&s.requests, &s.errors, &s.estimated, &s.cost, &s.duration,
		&t.Input, &t.Output, &t.CacheRead, &t.Reasoning, &t.CacheWrite5m, &t.CacheWrite1h,
		&t.InputAudio, &t.InputImage, &t.OutputAudio, &t.OutputImage,
		&t.Images, &t.AudioMs, &t.Characters, &t.Searches,
		&s.markup, &s.unconfirmed, &s.heldTokens,
	}
}

func (s *sums) add(o *sums) {
	to, from := s.list(), o.list()
	for i := range to {
		*to[i] = store.AddNano(*to[i], *from[i])
	}
}

// addTotal counts what a part of a row comes to.
func (s *sums) addTotal(t *store.Total) {
	s.requests = store.AddNano(s.requests, t.Requests)
	s.errors = store.AddNano(s.errors, t.Errors)
	s.estimated = store.AddNano(s.estimated, t.Estimated)
	s.cost = store.AddNano(s.cost, t.CostNano)
	s.markup = store.AddNano(s.markup, t.MarkupNano)
	s.unconfirmed = store.AddNano(s.unconfirmed, t.UnconfirmedNano)
	s.heldTokens = store.AddNano(s.heldTokens, t.UnconfirmedTokens)
	s.duration = store.AddNano(s.duration, int64(t.Duration))
	s.tokens.Add(&t.Tokens)
}

// append writes the numbers as varints; zeros at the end are left out.
func (s *sums) append(dst []byte) []byte {
	list := s.list()
	n := len(list)
	for n > 0 && *list[n-1] == 0 {
		n--
	}
	dst = append(dst, recordVersion)
	for _, v := range list[:n] {
		dst = binary.AppendVarint(dst, *v)
	}
	return dst
}

func (s *sums) decode(b []byte) error {
	*s = sums{}
	return s.addEncoded(b)
}

// addEncoded adds what append wrote.
func (s *sums) addEncoded(b []byte) error {
	if len(b) == 0 || b[0] != recordVersion {
		return fmt.Errorf("unknown roll-up: %w", store.ErrCorrupt)
	}
	b = b[1:]
	for _, dst := range s.list() {
		if len(b) == 0 {
			return nil
		}
		if b[0] < 0x80 { // nearly all, or 0
			*dst = store.AddNano(*dst, int64(b[0]>>1)^-int64(b[0]&1))
			b = b[1:]
			continue
		}
		v, n := binary.Varint(b)
		if n <= 0 {
			return fmt.Errorf("roll-up cut short: %w", store.ErrCorrupt)
		}
		*dst, b = store.AddNano(*dst, v), b[n:]
	}
	return nil
}

// A cell is one roll-up.
type cell struct {
	slot uint32
	dims dims
}

func slotOf(t time.Time) uint32 { return uint32(t.Unix() / slotSeconds) }

// sumsWriter writes roll-ups within one transaction; what it learns is kept by the
// store only after the commit.
type sumsWriter struct {
	s                        *Store
	series, of, models, meta *bbolt.Bucket
	learnt                   map[dims]uint32
	day, count               uint32
	counted                  bool
}

func (s *Store) sumsWriter(tx *bbolt.Tx) *sumsWriter {
	return &sumsWriter{s: s, series: tx.Bucket(bSeries), of: tx.Bucket(bSeriesOf), models: tx.Bucket(bModels), meta: tx.Bucket(bMeta), learnt: map[dims]uint32{}}
}

// appendSums adds a batch to the roll-ups and moves the applied positions.
func (s *Store) appendSums(b *batch) error {
	b.sums.correct(b.adjusts)
	cells, names, seen := b.sums.cells, b.sums.names, b.sums.seen
	var learnt map[dims]uint32
	err := s.db.Update(func(tx *bbolt.Tx) error {
		w := s.sumsWriter(tx)
		if v := w.meta.Get(kNewModels); len(v) == 8 {
			w.day, w.count = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
		}
		reduced := reductionsOf(cells) // before addAll, which adds what is kept to them
		if err := w.addAll(tx.Bucket(bSums), cells); err != nil {
			return err
		}
		for i, r := range reductions {
			if err := w.addAll(tx.Bucket(r.bucket), reduced[i]); err != nil {
				return err
			}
		}
		if err := w.addLatency(tx.Bucket(bLatency), cells, seen); err != nil {
			return err
		}
		if w.counted {
			v := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w.day), w.count)
			if err := w.meta.Put(kNewModels, v); err != nil {
				return err
			}
		}
		for id, name := range names {
			if s.names[id] == name {
				continue
			}
			if err := tx.Bucket(bKeyNames).Put([]byte(id), []byte(name)); err != nil {
				return err
			}
		}
		for boot, seq := range b.high {
			if err := tx.Bucket(bApplied).Put([]byte(boot), be64(seq)); err != nil {
				return err
			}
		}
		learnt = w.learnt
		return nil
	})
	if err == nil && s.opts.synced != nil {
		err = s.opts.synced()
	}
	if err != nil {
		// A commit whose last sync failed has written its meta page all the same, and
		// later transactions build on it: whether it counts, only the file can say.
		s.unsure = true
		return fmt.Errorf("cannot append roll-ups: %w", err)
	}
	s.remember(b, learnt, names)
	return nil
}

// remember keeps what a committed batch taught, within bounds.
func (s *Store) remember(b *batch, learnt map[dims]uint32, names map[string]string) {
	const most = 1 << 17
	for boot, seq := range b.high {
		s.applied[boot] = seq
	}
	if len(s.series)+len(learnt) > most {
		clear(s.series)
	}
	for d, id := range learnt {
		s.series[d] = id
	}
	if len(s.names)+len(names) > most {
		clear(s.names)
	}
	for id, name := range names {
		if s.names[id] != name {
			s.names[strings.Clone(id)] = strings.Clone(name)
		}
	}
}

// tallied is what a batch adds to the roll-ups.
type tallied struct {
	cells map[cell]*sums
	names map[string]string // of keys
	seen  map[*sums][]observation
	// Neighbours often are of the same.
	last      cell
	sum       *sums
	key, name string
}

func newTallied() tallied {
	return tallied{cells: map[cell]*sums{}, names: map[string]string{}, seen: map[*sums][]observation{}}
}

func (t *tallied) at(c cell) *sums {
	if t.sum != nil && c == t.last {
		return t.sum
	}
	sum := t.cells[c]
	if sum == nil {
		sum = new(sums)
		t.cells[c] = sum
	}
	t.last, t.sum = c, sum
	return sum
}

// add counts a row, and the durations of what its own sum is of.
func (t *tallied) add(g *store.Gist) {
	slot, d := slotOf(g.Time), dimsOf(&g.UsageRow)
	own, _ := g.Own()
	sum := t.at(cell{slot, d})
	sum.addTotal(&own)
	store.Observe(&g.UsageRow, func(which, bucket uint8) { t.seen[sum] = append(t.seen[sum], observation{which, bucket}) })
	if len(g.Attempts) > 0 { // some have Spent
		g.Shares(func(s store.Share) {
			if s.Attempt > 0 {
				t.at(cell{slot, d.at(s.Provider, s.Account)}).addTotal(&s.Sum)
			}
		})
	}
	if g.KeyID != "" && (g.KeyID != t.key || g.KeyName != t.name) {
		t.key, t.name = g.KeyID, g.KeyName
		t.names[t.key] = t.name
	}
}

// correct counts the corrections of rows that were found.
func (t *tallied) correct(adjusts []*adjustment) {
	for _, a := range adjusts {
		if a.found {
			sum := t.at(cell{slotOf(a.time), a.dims})
			sum.cost = store.AddNano(sum.cost, a.entry.DeltaNano)
			sum.markup = store.AddNano(sum.markup, a.entry.MarkupNano)
			sum.unconfirmed = store.AddNano(sum.unconfirmed, a.entry.UnconfirmedNano)
			sum.heldTokens = store.AddNano(sum.heldTokens, a.entry.UnconfirmedTokens)
		}
	}
}

// addAll adds the cells in the order of their keys, so that neighbours meet the same page.
func (w *sumsWriter) addAll(into *bbolt.Bucket, cells map[cell]*sums) error {
	into.FillPercent = 0.9
	type keyed struct {
		key uint64
		sum *sums
	}
	list := make([]keyed, 0, len(cells))
	for c, sum := range cells {
		id, err := w.seriesID(c)
		if err != nil {
			return err
		}
		list = append(list, keyed{uint64(c.slot)<<32 | uint64(id), sum})
	}
	slices.SortFunc(list, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	mem := make([]byte, 0, len(list)*40) // where values live until the commit
	for i, k := range list {
		if i > 0 && k.key == list[i-1].key { // several models summed up as "other"
			k.sum.add(list[i-1].sum)
		}
		if i+1 < len(list) && k.key == list[i+1].key {
			continue
		}
		key := be64(k.key)
		if v := into.Get(key); v != nil {
			var old sums
			if err := old.decode(v); err != nil {
				return err
			}
			k.sum.add(&old)
		}
		at := len(mem)
		mem = k.sum.append(mem)
		if err := into.Put(key, mem[at:len(mem):len(mem)]); err != nil {
			return err
		}
	}
	return nil
}

// otherModel stands for the models beyond Options.NewModelsPerDay.
const otherModel = "other"

// seriesID returns the number that stands for the dims of c.
func (w *sumsWriter) seriesID(c cell) (uint32, error) {
	d := c.dims
	if id, ok := w.find(d); ok {
		return id, nil
	}
	known, err := w.admit(d.model, c.slot/(24*3600/slotSeconds))
	if err != nil {
		return 0, err
	}
	if !known {
		d.model = otherModel
		if id, ok := w.find(d); ok {
			return id, nil
		}
	}
	n, err := w.series.NextSequence()
	if err != nil {
		return 0, err
	}
	if n > 1<<32-1 {
		return 0, fmt.Errorf("more than %d series", uint32(1<<32-1))
	}
	id := uint32(n)
	name, encoded := binary.BigEndian.AppendUint32(nil, id), d.encode()
	if err := w.learn(encoded, id); err != nil {
		return 0, err
	}
	if err := w.series.Put(name, encoded); err != nil {
		return 0, err
	}
	return id, w.of.Put(encoded, name)
}

// admit reports whether a model has a place of its own in the roll-ups. Of all the
// dims it alone is the callers' to invent: once too many have been seen for the
// first time in a day, new ones are refused.
func (w *sumsWriter) admit(model string, day uint32) (bool, error) {
	if model == "" || model == otherModel || w.models.Get([]byte(model)) != nil {
		return true, nil
	}
	if day > w.day {
		w.day, w.count = day, 0
	}
	if int(w.count) >= w.s.opts.NewModelsPerDay {
		return false, nil
	}
	w.count++
	w.counted = true
	return true, w.models.Put([]byte(model), []byte{recordVersion})
}

func (w *sumsWriter) find(d dims) (uint32, bool) {
	if id, ok := w.s.series[d]; ok {
		return id, true
	}
	if id, ok := w.learnt[d]; ok {
		return id, true
	}
	encoded := d.encode()
	v := w.of.Get(encoded)
	if len(v) != 4 {
		return 0, false
	}
	id := binary.BigEndian.Uint32(v)
	return id, w.learn(encoded, id) == nil
}

// learn notes a series under strings of its own: those of a row keep all of it in memory.
func (w *sumsWriter) learn(encoded []byte, id uint32) error {
	d, err := decodeDims(encoded)
	w.learnt[d] = id
	return err
}
