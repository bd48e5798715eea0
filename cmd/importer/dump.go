package importer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxValue bounds one value, or one word, of a dump.
const maxValue = 16 << 20

// A dump holds the tables of a file that mysqldump wrote.
type dump map[string][]row

func (d dump) close() error { return nil }

func (d dump) rows(_ context.Context, table string) ([]row, error) {
	rows, ok := d[table]
	if !ok {
		return nil, errNoTable
	}
	return rows, nil
}

// readDump reads the CREATE TABLE and INSERT statements of the tables named; all
// other statements are passed over.
func readDump(in io.Reader, tables []string) (dump, error) {
	p := &dumpParser{in: bufio.NewReaderSize(in, 64<<10), out: dump{}, columns: map[string][]string{}, wanted: tables}
	for {
		more, err := p.statement()
		switch {
		case err != nil:
			return nil, fmt.Errorf("near byte %d: %w", p.at, err)
		case !more && len(p.out) == 0:
			return nil, fmt.Errorf("it has none of the tables %s", strings.Join(tables, ", "))
		case !more:
			return p.out, nil
		}
	}
}

type dumpParser struct {
	in      *bufio.Reader
	at      int64
	out     dump
	columns map[string][]string
	wanted  []string
}

// A token is a sign, a word, a quoted name or a text.
type token struct {
	kind byte // 'w' word or number, 'n' quoted name, 's' text, 0 the end; else the sign itself
	text string
}

func (t token) is(word string) bool { return t.kind == 'w' && strings.EqualFold(t.text, word) }

func (p *dumpParser) byte() (byte, error) {
	b, err := p.in.ReadByte()
	if err == nil {
		p.at++
	}
	return b, err
}

func (p *dumpParser) peek() byte {
	b, err := p.in.Peek(1)
	if err != nil {
		return 0
	}
	return b[0]
}

// next returns the next token; comments and white space are none.
func (p *dumpParser) next() (token, error) {
	for {
		b, err := p.byte()
		if errors.Is(err, io.EOF) {
			return token{}, nil
		}
		if err != nil {
			return token{}, err
		}
		switch {
		case b <= ' ':
		case b == '#', b == '-' && p.peek() == '-':
			if _, err := p.until('\n'); err != nil {
				return token{}, err
			}
		case b == '/' && p.peek() == '*':
			if err := p.comment(); err != nil {
				return token{}, err
			}
		case b == '\'' || b == '"':
			text, err := p.quoted(b)
			return token{'s', text}, err
		case b == '`':
			text, err := p.quoted(b)
			return token{'n', text}, err
		case wordByte(b):
			text := []byte{b}
			for wordByte(p.peek()) && len(text) < maxValue {
				b, _ := p.byte()
				text = append(text, b)
			}
			return token{'w', string(text)}, nil
		default:
			return token{b, ""}, nil
		}
	}
}

func wordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == '.' || b == '+' || b == '-' || b == '$' || b >= 0x80
}

// until passes over everything up to and with end.
func (p *dumpParser) until(end byte) (last byte, err error) {
	for {
		b, err := p.byte()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil || b == end {
			return last, err
		}
		last = b
	}
}

func (p *dumpParser) comment() error {
	_, _ = p.byte() // the '*'
	for {
		if _, err := p.until('*'); err != nil {
			return err
		}
		if b := p.peek(); b == '/' || b == 0 {
			_, _ = p.byte()
			return nil
		}
	}
}

// quoted reads up to the closing quote: doubled it stands for itself, and in texts
// a backslash escapes what follows.
func (p *dumpParser) quoted(quote byte) (string, error) {
	var out []byte
	for len(out) < maxValue {
		b, err := p.byte()
		if err != nil {
			return "", errors.New("a quote is not closed")
		}
		switch {
		case b == quote && p.peek() == quote:
			_, _ = p.byte()
		case b == quote:
			return string(out), nil
		case b == '\\' && quote != '`':
			if b, err = p.byte(); err != nil {
				return "", errors.New("a quote is not closed")
			}
			b = unescaped(b)
		}
		out = append(out, b)
	}
	return "", errors.New("a value is too large")
}

func unescaped(b byte) byte {
	switch b {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'Z':
		return 0x1a
	}
	return b
}

// statement reads one statement; more is false at the end.
func (p *dumpParser) statement() (more bool, err error) {
	t, err := p.next()
	if err != nil || t.kind == 0 {
		return false, err
	}
	switch {
	case t.kind == ';':
		return true, nil
	case t.is("INSERT"), t.is("REPLACE"):
		return true, p.insert()
	case t.is("CREATE"):
		return true, p.create()
	case t.is("COPY"):
		return false, errors.New("this is a dump of Postgres, which is not read: import from the database, postgres://…")
	}
	return true, p.skip(token{})
}

// skip passes over the rest of a statement of which last was read.
func (p *dumpParser) skip(last token) error {
	for t := last; ; {
		if t.kind == ';' {
			return nil
		}
		var err error
		if t, err = p.next(); err != nil || t.kind == 0 {
			return err
		}
	}
}

// table reads a table's name, with or without that of its database.
func (p *dumpParser) table(t token) (name string, next token, err error) {
	name = t.text
	for {
		next, err = p.next()
		if err != nil || !(next.kind == 'w' && next.text == ".") {
			break
		}
		if next, err = p.next(); err != nil {
			break
		}
		name = next.text
	}
	if i := strings.LastIndexByte(name, '.'); t.kind == 'w' && i >= 0 {
		name = name[i+1:]
	}
	return name, next, err
}

// create notes the columns of a table, in order.
func (p *dumpParser) create() error {
	t, err := p.next()
	if err != nil || !t.is("TABLE") {
		return errors.Join(err, p.skip(t))
	}
	for t, err = p.next(); t.is("IF") || t.is("NOT") || t.is("EXISTS"); t, err = p.next() {
	}
	if err != nil {
		return err
	}
	table, t, err := p.table(t)
	if err != nil || t.kind != '(' || !slices.Contains(p.wanted, table) {
		return errors.Join(err, p.skip(t))
	}
	p.out[table], p.columns[table] = nil, nil
	depth, first := 1, true
	for depth > 0 {
		if t, err = p.next(); err != nil || t.kind == 0 {
			return errors.Join(err, errors.New("a CREATE TABLE does not end"))
		}
		switch {
		case t.kind == '(':
			depth++
		case t.kind == ')':
			depth--
		case depth == 1 && t.kind == ',':
			first = true
			continue
		case depth == 1 && first && t.kind == 'n': // keys and constraints begin with a word
			p.columns[table] = append(p.columns[table], t.text)
		}
		first = false
	}
	return p.skip(t)
}

// insert reads the rows of one INSERT.
func (p *dumpParser) insert() error {
	t, err := p.next()
	for ; err == nil && (t.is("INTO") || t.is("IGNORE")); t, err = p.next() {
	}
	if err != nil {
		return err
	}
	table, t, err := p.table(t)
	if err != nil || !slices.Contains(p.wanted, table) {
		return errors.Join(err, p.skip(t))
	}
	columns := p.columns[table]
	if t.kind == '(' {
		columns = nil
		for t.kind != ')' {
			if t, err = p.next(); err != nil || t.kind == 0 {
				return errors.Join(err, errors.New("an INSERT does not end"))
			}
			if t.kind == 'n' || t.kind == 'w' {
				columns = append(columns, t.text)
			}
		}
		if t, err = p.next(); err != nil {
			return err
		}
	}
	if !t.is("VALUES") || len(columns) == 0 {
		return fmt.Errorf("the rows of %s cannot be read: the dump names no columns; make it with mysqldump's usual options", table)
	}
	for {
		t, err = p.next()
		switch {
		case err != nil:
			return err
		case t.kind == '(':
			if err := p.values(table, columns); err != nil {
				return err
			}
		case t.kind == ';' || t.kind == 0:
			return nil
		}
	}
}

func (p *dumpParser) values(table string, columns []string) error {
	r, i := row{}, 0
	for {
		t, err := p.next()
		switch {
		case err != nil:
			return err
		case t.kind == 0:
			return errors.New("a row does not end")
		case t.kind == ',':
			i++
		case t.kind == ')':
			if i+1 != len(columns) {
				return fmt.Errorf("a row of %s has %d values for %d columns", table, i+1, len(columns))
			}
			if p.out[table] = append(p.out[table], r); len(p.out[table]) > maxRows {
				return tooMany(table)
			}
			return nil
		case i >= len(columns):
			return fmt.Errorf("a row of %s has more values than columns", table)
		case t.is("NULL"):
			r[columns[i]] = nil
		case t.kind == 's' || t.kind == 'w' && !strings.HasPrefix(t.text, "_"): // _binary 'x' is its text
			r[columns[i]] = t.text
		}
	}
}
