// Package tui is the terminal interface: pages over the admin and relay API of a
// gateway that runs here or elsewhere. It opens no store and imports no server.
package tui

import (
	"context"
	"errors"
	"io"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// Pages are the names of the pages, in the order of their digits.
var Pages = []string{"chat", "usage", "providers", "keys", "live", "models", "health"}

// Options are what the interface is started with. Client is needed; the rest has
// useful zero values.
type Options struct {
	Client *api.Client
	Lang   string // of locales.Languages; empty: English
	Theme  string // of Themes
	Page   string // of Pages; empty: live
	Model  string // that Chat asks at first
	System string // instructions that stand before a conversation
	// StateDir is where conversations are kept; empty: they end with the program.
	StateDir string
	Editor   string // command for long texts
	NoMouse  bool
	NoColor  bool
	// ColorFGBG is the environment's variable of that name; empty: the terminal is asked
	// for its background.
	ColorFGBG string
	Zone      string // IANA name of the zone of days; empty: the server's
	Now       func() time.Time
	// Doctor looks for what is wrong, for the page Health; nil: only the gateway's own figures are shown.
	Doctor func(context.Context) ([]Finding, error)
}

// A Finding is one check of the doctor.
type Finding struct {
	Name, State string // State: ok, warn, bad, skipped
	Detail      string
	Next        string // command that mends it
}

// A page is one of the seven. Its methods run on the loop alone.
type page interface {
	open() tea.Cmd // it comes to the front
	update(tea.Msg) tea.Cmd
	view(w, h int) string
	binds() []bind
	typing() bool // a text field has the focus
}

// An App is the whole interface: a bubbletea model.
type App struct {
	o   Options
	ctx context.Context
	r   *lipgloss.Renderer
	out io.Writer // the terminal, for its clipboard and its background
	th  *theme
	cat *locales.Catalogue

	w, h  int
	page  int
	pages []page
	over  overlay // stands over the page and has the keys
	feed  *feed
	pulse *pulse

	asks      bool // the terminal is asked for its background
	connected bool
	downSince time.Time
	downErr   error
	health    *api.Health
	today     api.USD
	todaySpan api.USD // spent when today was asked
	self      *api.KeySelf
	failures  chan error // from calls, beside their result
	note      string
	noteBad   bool
	noteUntil time.Time
	ticks     int
	ending    bool
	chat      *chatPage
	live      *livePage
	usage     *usagePage
	keys      *keysPage
	models    *modelsPage
}

// New returns the interface for what r can show. ctx ends its calls.
func New(ctx context.Context, o Options, r *lipgloss.Renderer) *App {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lang == "" {
		o.Lang = locales.Languages[0]
	}
	if o.NoColor {
		o.Theme = "mono"
	}
	a := &App{o: o, ctx: ctx, r: r, th: newTheme(r, o.Theme), cat: locales.Load(o.Lang), feed: newFeed(o.Client), out: io.Discard, failures: make(chan error, 1), pulse: newPulse(), w: 80, h: 24}
	a.chat, a.live, a.usage, a.keys, a.models = newChatPage(a), newLivePage(a), newUsagePage(a), newKeysPage(a), newModelsPage(a)
	a.pages = []page{a.chat, a.usage, newProvidersPage(a), a.keys, a.live, a.models, newHealthPage(a)}
	a.page = 4
	for i, name := range Pages {
		if name == o.Page {
			a.page = i
		}
	}
	return a
}

// Run shows the interface on a terminal until it is quit.
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := lipgloss.NewRenderer(out)
	dark, known := darkByEnv(o.ColorFGBG)
	r.SetHasDarkBackground(dark || !known)
	a := New(ctx, o, r)
	a.out = out
	a.setBackground(dark || !known)
	var program *tea.Program
	if !known {
		in, a.asks = listening(in, func(dark bool) { program.Send(backgroundMsg{dark}) })
	}
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithAltScreen(), tea.WithFPS(10)}
	if !o.NoMouse {
		opts = append(opts, tea.WithMouseCellMotion())
	}
	program = tea.NewProgram(a, opts...)
	_, err := program.Run()
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}

func (a *App) t(key string, args ...any) string { return a.cat.T(key, args...) }

// A doneMsg is a call that came back: then runs on the loop.
type doneMsg struct{ then func() tea.Cmd }

// call makes a call off the loop and hands its result to then, on the loop.
func call[T any](a *App, do func(context.Context) (T, error), then func(T, error) tea.Cmd) tea.Cmd {
	return func() tea.Msg {
		v, err := do(a.ctx)
		return doneMsg{func() tea.Cmd { return then(v, err) }}
	}
}

type tickMsg time.Time

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Init begins the feed and the clock.
func (a *App) Init() tea.Cmd {
	go a.feed.run(a.ctx)
	if a.asks { // here the terminal shows nothing of what it says
		_, _ = io.WriteString(a.out, askBackground)
	}
	return tea.Batch(a.feed.next(a.ctx), tick(), a.askHealth(), a.askToday(), a.askSelf(), a.pages[a.page].open())
}

// Update takes one message.
func (a *App) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		if m.Width > 0 && m.Height > 0 { // else the terminal does not know
			a.w, a.h = m.Width, m.Height
		}
		return a, a.pages[a.page].update(m)
	case doneMsg:
		return a, m.then()
	case feedMsg:
		return a, tea.Batch(a.fed(m), a.feed.next(a.ctx))
	case tickMsg:
		return a, tea.Batch(a.ticked(), tick())
	case tea.KeyMsg:
		return a, a.pressed(m)
	case tea.MouseMsg:
		return a, a.moused(m)
	case backgroundMsg:
		a.setBackground(m.dark)
		return a, nil
	}
	if a.over != nil {
		return a, a.overlaid(msg)
	}
	return a, a.pages[a.page].update(msg)
}

// ticked is once a second.
func (a *App) ticked() tea.Cmd {
	a.ticks++
	if a.note != "" && a.o.Now().After(a.noteUntil) {
		a.note = ""
	}
	select {
	case err := <-a.failures:
		a.fail(err)
	default:
	}
	cmds := []tea.Cmd{a.pages[a.page].update(tickMsg(a.o.Now()))}
	if a.ticks%5 == 0 {
		cmds = append(cmds, a.askHealth())
	}
	if a.ticks%15 == 0 {
		cmds = append(cmds, a.askToday(), a.askSilent())
	}
	return tea.Batch(cmds...)
}

// fed takes what the live feed told.
func (a *App) fed(m feedMsg) tea.Cmd {
	var cmd tea.Cmd
	if m.changed {
		cmd = a.turned(m)
	}
	for i := range m.events {
		if e := &m.events[i]; e.Type == api.LiveFinished && e.Row != nil {
			a.pulse.ended(e.Row, true)
		}
	}
	a.live.take(m.events, m.dropped)
	return cmd
}

// turned notes that the connection came or went.
func (a *App) turned(m feedMsg) tea.Cmd {
	was := a.connected
	a.connected = m.up
	if !m.up {
		if was || a.downSince.IsZero() {
			a.downSince = a.o.Now()
		}
		a.downErr = m.err
		return nil
	}
	a.downErr = nil
	if !a.downSince.IsZero() {
		a.say(a.t("tui.back", lasting(a.o.Now().Sub(a.downSince))))
		a.downSince = time.Time{}
	}
	a.live.reconnected()
	return tea.Batch(a.live.backfill(), a.askHealth(), a.pages[a.page].open())
}

func (a *App) askHealth() tea.Cmd {
	return call(a, a.o.Client.Health, func(h *api.Health, err error) tea.Cmd {
		if err == nil {
			a.health = h
		}
		return nil
	})
}

// askToday reads what today cost; what ends until it is asked again is added.
func (a *App) askToday() tea.Cmd {
	day := a.o.Now().Format(time.DateOnly)
	return call(a, func(ctx context.Context) (*api.UsageReply, error) {
		return a.o.Client.Usage(ctx, api.UsageAsk{StartDate: day, EndDate: day, Zone: a.o.Zone})
	}, func(r *api.UsageReply, err error) tea.Cmd {
		if err == nil {
			a.today, a.todaySpan = r.Total.CostUSD, a.pulse.spent
		}
		return nil
	})
}

// askSilent asks which gateways on the database do not answer the others: what is in
// flight there is on no page.
func (a *App) askSilent() tea.Cmd {
	return call(a, a.o.Client.InFlight, func(r *api.InFlightReply, err error) tea.Cmd {
		if err == nil {
			a.live.silent = r.UnreachableNodes
		}
		return nil
	})
}

func (a *App) askSelf() tea.Cmd {
	return call(a, a.o.Client.Self, func(k *api.KeySelf, err error) tea.Cmd {
		if err == nil {
			a.self = k
		}
		return nil
	})
}

// say shows a note for a while; fail one that tells of trouble and what to do.
func (a *App) say(text string) {
	a.note, a.noteBad, a.noteUntil = clean(text), false, a.o.Now().Add(8*time.Second)
}

func (a *App) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	a.note, a.noteBad, a.noteUntil = a.words(err), true, a.o.Now().Add(20*time.Second)
}

// words tells an error with what to do about it.
func (a *App) words(err error) string {
	var gone *api.Unreachable
	var refused *api.Error
	switch {
	case errors.As(err, &gone):
		return clean(err.Error()) + " · " + a.t("tui.next.unreachable")
	case errors.As(err, &refused) && refused.Status == 401:
		return clean(err.Error()) + " · " + a.t("tui.next.key")
	case errors.As(err, &refused) && refused.Status == 403:
		return clean(err.Error()) + " · " + a.t("tui.next.right")
	}
	return clean(a.cat.Tell(err))
}
