package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// States of what doctor has looked at.
const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateProblem = "problem"
	stateSkipped = "skipped" // could not be looked at, and why
)

// A finding is what doctor says of one thing, and the command that mends it.
type finding struct {
	Check   string `json:"check"`
	State   string `json:"state"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

// A diagnosis is all findings.
type diagnosis struct {
	Data     []finding `json:"data"`
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
}

// A patient is the gateway under examination.
type patient struct {
	*app
	client *api.Client
	online bool
	here   bool // it runs on this machine, on dataDir
	data   string
	d      diagnosis
	rights bool // the key may read the admin API
}

// tell notes a finding, and shows it as soon as it is known.
func (p *patient) tell(check, state, next, format string, args ...any) {
	f := finding{Check: check, State: state, Message: phrase(format, args...).String(), Next: next}
	p.d.Data = append(p.d.Data, f)
	switch state {
	case stateProblem:
		p.d.Problems++
	case stateWarning:
		p.d.Warnings++
	}
	if p.output != "table" {
		return
	}
	mark := map[string][2]string{stateOK: {"✓", green}, stateWarning: {"▲", yellow}, stateProblem: {"✗", red}, stateSkipped: {"–", dim}}[state]
	fmt.Fprintf(p.stdout, "%s %s %s\n", p.paint(p.stdout, mark[1], mark[0]), padded(p.head(check), checkWidth), cleanText(p.say(format, args...)))
	if next != "" {
		fmt.Fprintf(p.stdout, "  %s → %s\n", padded("", checkWidth), cleanText(next))
	}
}

func (a *app) doctorCommand() *cobra.Command {
	var online bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, and name the command that mends it", Args: cobra.NoArgs,
		Long: `Look at the gateway, the way to it, its data folder if that is here, its accounts,
prices and keys, and name for everything that is wrong the command that mends it.
The exit code is 1 if there is a problem; warnings alone are 0.

Without --online nothing leaves for a provider. With it, each enabled account is
asked for one token, which costs what one token costs, and its clock is compared.`,
		Example: "  ai-gateway doctor\n  ai-gateway doctor --online\n  ai-gateway doctor --gateway-url https://gw.example.com -o json",
		RunE:    func(*cobra.Command, []string) error { return a.doctor(online) },
	}
	c.Flags().BoolVar(&online, "online", false, "also ask every enabled account for one token")
	return c
}

// doctorPatience bounds each question to the gateway itself.
const doctorPatience = 15 * time.Second

func (a *app) doctor(online bool) error {
	ctx, stop := a.interruptible()
	defer stop()
	a.ctx = ctx
	client, err := a.client()
	if err != nil {
		return err
	}
	p := &patient{app: a, client: client, online: online, d: diagnosis{Data: []finding{}}}
	p.examine()
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return &exitError{exitUsage, errorf("cancelled")}
	}
	return p.conclude()
}

// examine makes all checks.
func (p *patient) examine() {
	var sure bool
	p.data, sure = p.locate()
	up := p.gateway()
	base, _ := p.client.Base()
	p.here = sure || !up && p.isHere(base) // what answers at an address of this machine may be elsewhere, behind a tunnel
	p.folder(up)
	if up {
		p.key()
		p.clock()
		p.stream()
		p.formats()
		if p.rights {
			p.accounts()
			p.prices()
			p.keys()
			p.open()
			p.collector()
			p.nodes()
		} else {
			p.tell("accounts", stateSkipped, "", "this key may not see them")
		}
	}
}

func (p *patient) conclude() error {
	sum := phrase("%s, %s", plural(p.d.Problems, "1 problem", "%d problems"), plural(p.d.Warnings, "1 warning", "%d warnings"))
	switch {
	case p.output == "table" && p.d.Problems+p.d.Warnings == 0:
		p.line("All is well.")
	case p.output == "table" && p.d.Problems == 0:
		p.line("%v", sum)
	case p.output != "table":
		t := table{columns: []column{{head: "CHECK"}, {head: "STATE"}, {head: "MESSAGE"}, {head: "NEXT"}}}
		for _, f := range p.d.Data {
			t.rows = append(t.rows, []cell{str(f.Check), str(f.State), str(f.Message), str(f.Next)})
		}
		if err := show(p.app, p.d, p.d.Data, t); err != nil {
			return err
		}
	}
	if p.d.Problems > 0 {
		return &exitError{exitFailure, errorf("%v", sum)}
	}
	return nil
}

// plural is one in place of several where there is just one: "1 key", "%d keys".
func plural(n int, one, several string) locales.Phrase {
	if n == 1 {
		return phrase(one)
	}
	return phrase(several, n)
}

// checkWidth is the room, in cells, for the names of checks and steps.
const checkWidth = 9

// padded is text with spaces to at least n cells.
func padded(text string, n int) string { return text + strings.Repeat(" ", max(0, n-width(text))) }

// within bounds one question.
func (p *patient) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, doctorPatience)
}

// gateway asks whether it serves. It reports whether the rest can be asked.
func (p *patient) gateway() bool {
	ctx, cancel := p.within()
	defer cancel()
	base, _ := p.client.Base()
	h, err := p.client.Health(ctx)
	var refused *api.Error
	switch {
	case err == nil:
		p.tell("gateway", stateOK, "", "version %s at %s, up %s", h.Version, base, time.Duration(h.Uptime)*time.Second)
		return true
	case errors.As(err, &refused) && refused.Code == "unavailable" && strings.Contains(refused.Message, "no space"):
		p.tell("disk", stateProblem, p.freeSpace(), "the gateway refuses requests: its disk is full, and no request can be recorded; it goes on by itself when there is space")
		return true
	case errors.As(err, &refused):
		p.tell("gateway", stateProblem, "ai-gateway logs --errors", "%s: %s", base, refused.Message)
		return refused.Status == 503
	}
	next := "ai-gateway serve"
	if !p.isHere(base) {
		next = "ai-gateway config set base_url http://…"
	}
	p.tell("gateway", stateProblem, next, "%s", unreached(err))
	return false
}

// freeSpace shows what fills the disk.
func (p *patient) freeSpace() string {
	dir := cmp.Or(p.data, ".")
	return "du -xh " + quoteArg(dir) + " | sort -h | tail"
}

// locate returns the data folder, and whether it is surely the gateway's.
func (p *patient) locate() (dir string, sure bool) {
	base, _ := p.client.Base()
	if l, found := p.findLocal(); found && sameGateway(base, l.URL) {
		return strings.TrimSuffix(l.path, "/"+localFile), true
	}
	return p.dataDir(), false
}

// isHere reports whether an address is of this machine.
func (p *patient) isHere(base string) bool {
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		if strings.HasPrefix(base, "http://"+host+":") || strings.HasPrefix(base, "https://"+host+":") {
			return true
		}
	}
	return false
}

// key looks at the key in use.
func (p *patient) key() {
	ctx, cancel := p.within()
	defer cancel()
	self, err := p.client.Self(ctx)
	if err != nil {
		hint, next := p.remedy(err)
		if errors.Is(err, context.DeadlineExceeded) {
			p.tell("key", stateProblem, "ai-gateway logs --errors --last 5m", "the gateway does not say within %s whose the key is: what it records is held up", doctorPatience)
			return
		}
		p.tell("key", stateProblem, next, "%s. %s", unreached(err), hint)
		return
	}
	for _, s := range self.Scopes {
		p.rights = p.rights || s == "admin" || s == "viewer"
	}
	p.tell("key", stateOK, "", "%s, from %s: %s", self.Name, p.keyFrom, orAll(self.Scopes, phrase("every relay route")))
	for _, l := range self.Limits {
		if left, err := strconv.ParseFloat(string(l.Remaining), 64); err == nil && left <= 0 && l.Kind != "concurrency" {
			p.tell("key", stateWarning, "ai-gateway quota explain "+quoteArg(l.Policy), "the limit %q is used up", l.Policy)
		}
	}
}
