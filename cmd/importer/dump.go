package importer

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxValue bounds one value, or one word, of a dump.
const maxValue = 16 << 20

// A dump holds the tables of a file that mysqldump wrote.
type dump map[string][]row

func (d dump) close() error { return nil }

func (d dump) has(_ context.Context, table string) bool { _, ok := d[table]; return ok }

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
	p := &dumpParser{in: bufio.NewReaderSize(in, 64<<10), out: dump{}, columns: map[string][]string{}, wanted: tables, of: map[string]string{}}
	if b, _ := p.in.Peek(3); string(b) == "\xef\xbb\xbf" { // a mark of UTF-8
		_, _ = p.in.Discard(3)
	}
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
	in       *bufio.Reader
	at       int64
	out      dump
	columns  map[string][]string
	wanted   []string
	database string            // of the last USE
	of       map[string]string // the database of each table that was found
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
			return "", unclosed(err)
		}
		switch {
		case b == quote && p.peek() == quote:
			_, _ = p.byte()
		case b == quote:
			return string(out), nil
		case b == '\\' && quote != '`':
			if b, err = p.byte(); err != nil {
				return "", unclosed(err)
			}
			b = unescaped(b)
		}
		out = append(out, b)
	}
	return "", errors.New("a value is too large")
}

// unclosed is the end of the file within a quote, or why it cannot be read further.
func unclosed(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("a quote is not closed")
	}
	return err
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
		return false, errDumpOfPostgres
	case t.is("DELIMITER"):
		return true, p.routines()
	case t.is("USE"):
		t, err = p.next()
		p.database = t.text
	case t.is("SET"), t.is("SELECT"): // with what each dump of Postgres begins
		if t, err = p.next(); t.is("standard_conforming_strings") || strings.HasPrefix(t.text, "pg_catalog.") {
			return false, errDumpOfPostgres
		}
	default:
		t = token{}
	}
	return true, errors.Join(err, p.skip(t))
}

var errDumpOfPostgres = errors.New("this is a dump of Postgres, which is not read: import from the database, postgres://…")

// routines passes over what stands between DELIMITER and DELIMITER ; since the
// statements in the body of a procedure are no data.
func (p *dumpParser) routines() error {
	for {
		line, err := p.line()
		if word := strings.TrimSpace(strings.TrimPrefix(strings.ToUpper(line), "DELIMITER")); word == ";" || err != nil {
			return err
		}
		if line, err = p.line(); err != nil || line == "" && p.peek() == 0 {
			return err
		}
		for !strings.HasPrefix(strings.ToUpper(line), "DELIMITER") {
			if line, err = p.line(); err != nil || line == "" && p.peek() == 0 {
				return err
			}
		}
		if strings.TrimSpace(line[len("DELIMITER"):]) == ";" {
			return nil
		}
	}
}

// line returns the rest of a line, without its end; a long one cut.
func (p *dumpParser) line() (string, error) {
	var out []byte
	for {
		b, err := p.byte()
		if errors.Is(err, io.EOF) || b == '\n' {
			return string(out), nil
		}
		if err != nil {
			return "", err
		}
		if len(out) < 1<<10 {
			out = append(out, b)
		}
	}
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

// table reads the name of a wanted table, with or without that of its database; "" is
// another one. Tables of several databases are refused: which is meant nobody knows.
func (p *dumpParser) table(t token) (name string, next token, err error) {
	database := p.database
	name = t.text
	for {
		next, err = p.next()
		if err != nil || !(next.kind == 'w' && next.text == ".") {
			break
		}
		database = name
		if next, err = p.next(); err != nil {
			break
		}
		name = next.text
	}
	if i := strings.LastIndexByte(name, '.'); t.kind == 'w' && i >= 0 {
		database, name = name[:i], name[i+1:]
	}
	if err != nil || !slices.Contains(p.wanted, name) {
		return "", next, err
	}
	if other := p.of[name]; other != "" && database != "" && other != database {
		return "", next, fmt.Errorf("it holds the table %s of two databases, %q and %q: make a dump of one", name, other, database)
	}
	p.of[name] = cmp.Or(database, p.of[name])
	return name, next, nil
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
	if err != nil || t.kind != '(' || table == "" {
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
		case depth == 1 && first && (t.kind == 'n' || t.kind == 's'): // keys and constraints begin with a word
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
	if err != nil || table == "" {
		return errors.Join(err, p.skip(t))
	}
	columns := p.columns[table]
	if t.kind == '(' {
		columns = nil
		for t.kind != ')' {
			if t, err = p.next(); err != nil || t.kind == 0 {
				return errors.Join(err, errors.New("an INSERT does not end"))
			}
			if t.kind == 'n' || t.kind == 'w' || t.kind == 's' {
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
	r, i, form := row{}, 0, ""
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
		case t.kind == 'w' && (strings.HasPrefix(t.text, "_") || p.peek() == '\''): // _binary 'x' is its text, x'78' and b'1' are not
			form = t.text
		case t.kind == 's' || t.kind == 'w':
			if r[columns[i]], err = valueOf(t, form); err != nil {
				return fmt.Errorf("a value of %s.%s cannot be read", table, columns[i])
			}
			form = ""
		}
	}
}

// valueOf returns what a text or a word of a row says. form is what stood before it.
func valueOf(t token, form string) (string, error) {
	switch {
	case t.kind == 's' && strings.EqualFold(form, "b"):
		n, err := strconv.ParseUint(t.text, 2, 64)
		return strconv.FormatUint(n, 10), err
	case t.kind == 's' && strings.EqualFold(form, "x"):
		b, err := hex.DecodeString(t.text)
		return string(b), err
	case t.kind == 'w' && strings.HasPrefix(t.text, "0x"):
		b, err := hex.DecodeString(t.text[2:])
		return string(b), err
	}
	return t.text, nil
}
