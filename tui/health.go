package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// healthPage shows how the gateway itself fares.
type healthPage struct {
	a        *App
	metrics  map[string]*dto.MetricFamily
	accounts []api.Account
	settings *api.SettingsReply
	status   *api.Status
	findings []Finding
	looking  bool // the doctor is at work
	err      error
	ready    bool
	top      int
}

func newHealthPage(a *App) *healthPage { return &healthPage{a: a} }

func (p *healthPage) typing() bool { return false }

func (p *healthPage) open() tea.Cmd {
	type all struct {
		metrics  map[string]*dto.MetricFamily
		accounts []api.Account
		settings *api.SettingsReply
		status   *api.Status
	}
	return call(p.a, func(ctx context.Context) (all, error) {
		var v all
		text, err := p.a.o.Client.Metrics(ctx)
		if err != nil {
			return v, err
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		if v.metrics, err = parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
			return v, locales.Errorf("cannot read the metrics: %w", err)
		}
		if v.accounts, err = p.a.accounts(ctx); err != nil {
			return v, err
		}
		if v.status, err = p.a.o.Client.Status(ctx); err != nil {
			return v, err
		}
		v.settings, err = p.a.o.Client.Settings(ctx)
		return v, err
	}, func(v all, err error) tea.Cmd {
		p.ready = true
		if p.err = err; err == nil {
			p.metrics, p.accounts, p.settings, p.status = v.metrics, v.accounts, v.settings, v.status
		}
		return nil
	})
}

func (p *healthPage) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tickMsg:
		if p.a.ticks%2 == 0 {
			return p.open()
		}
	case tea.KeyMsg:
		g := grid{cursor: p.top, rows: 10}
		if g.move(m.String(), 1000) {
			p.top = g.cursor
		}
	}
	return nil
}

func (p *healthPage) binds() []bind {
	a := p.a
	b := []bind{}
	if a.o.Doctor != nil {
		b = append(b, a.on("d", "d", "doctor", p.doctor))
	}
	return append(b,
		a.on("v", "v", "verify", p.verify),
		a.on("C", "C", "reload_config", p.reload),
		a.on("B", "B", "backup", p.backup),
	)
}

func (p *healthPage) doctor() tea.Cmd {
	if p.looking {
		return nil
	}
	p.looking = true
	return call(p.a, p.a.o.Doctor, func(f []Finding, err error) tea.Cmd {
		p.looking = false
		if err != nil {
			p.a.fail(err)
			return nil
		}
		p.findings, p.top = f, 0
		return nil
	})
}

func (p *healthPage) verify() tea.Cmd {
	a := p.a
	a.over = a.confirm(a.t("tui.health.verify"), func() tea.Cmd {
		a.say(a.t("tui.health.verifying"))
		return call(a, a.o.Client.VerifyLedger, func(v *api.Verification, err error) tea.Cmd {
			switch {
			case err != nil:
				a.fail(err)
			case !v.Clean:
				a.fail(errors.New(a.t("tui.health.unclean", clean(v.Fault), clean(v.FaultAt))))
			default:
				a.say("● " + a.t("tui.health.clean", locales.Thousands(v.Rows), locales.Thousands(v.RollUps), money(v.ChargedUSD), took(v.TookMs)))
			}
			return nil
		})
	})
	return nil
}

func (p *healthPage) reload() tea.Cmd {
	a := p.a
	a.over = a.confirm(a.t("tui.health.reload"), func() tea.Cmd {
		return call(a, a.o.Client.ReloadConfig, func(r *api.Reload, err error) tea.Cmd {
			switch {
			case err != nil:
				a.fail(err)
			case len(r.RestartNeeded) > 0:
				a.say("▲ " + a.t("tui.health.restart", r.Revision, strings.Join(r.RestartNeeded, ", ")))
			default:
				a.say("● " + a.t("tui.health.reloaded", r.Revision))
			}
			return p.open()
		})
	})
	return nil
}

// backup writes the store into a file of the folder the program was started in.
func (p *healthPage) backup() tea.Cmd {
	a := p.a
	name, err := filepath.Abs("ai-gateway-" + a.o.Now().Format("20060102-150405") + ".backup")
	if err != nil {
		a.fail(err)
		return nil
	}
	a.over = a.confirm(a.t("tui.health.backup", name), func() tea.Cmd {
		a.say(a.t("tui.health.backing_up"))
		return call(a, func(ctx context.Context) (struct{}, error) {
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return struct{}{}, errors.New(a.t("tui.health.no_backup", err))
			}
			err = a.o.Client.Backup(ctx, f)
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				err = errors.Join(err, os.Remove(name)) // a part is no backup
			}
			return struct{}{}, err
		}, func(_ struct{}, err error) tea.Cmd {
			if err != nil {
				a.fail(err)
			} else {
				a.say("● " + a.t("tui.health.backed_up", name))
			}
			return nil
		})
	})
	return nil
}

// value is the sum of a metric over its labels; false: the gateway does not tell it.
func (p *healthPage) value(name string) (float64, bool) {
	f := p.metrics[name]
	if f == nil {
		return 0, false
	}
	sum := 0.0
	for _, m := range f.Metric {
		sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return sum, true
}

func (p *healthPage) number(name string) string {
	v, ok := p.value(name)
	if !ok {
		return "–"
	}
	return short(int64(v))
}

func bytesOf(v float64) string { return fmt.Sprintf("%.0f MB", v/1e6) }

// check is a line that is well or not.
func (p *healthPage) check(ok bool, name, detail string) string {
	th := p.a.th
	sign := th.ok.Render("● " + pad(p.a.t("tui.state.ok"), 6, false))
	if !ok {
		sign = th.bad.Render("✗ " + pad(p.a.t("tui.state.bad"), 6, false))
	}
	return " " + sign + " " + pad(name, 14, false) + " " + detail
}

func (p *healthPage) lines() []string {
	a, t := p.a, p.a.t
	section := func(s string) string { return " " + a.th.strong.Render(s) }
	out := []string{section(t("tui.health.gateway"))}
	up, version := "–", "–"
	if a.health != nil {
		up, version = lasting(time.Duration(a.health.Uptime)*time.Second), clean(a.health.Version)
	}
	rss, _ := p.value("process_resident_memory_bytes")
	panics, _ := p.value("ai_gateway_panics_total")
	shed, _ := p.value("ai_gateway_shed_requests_total")
	out = append(out, p.check(a.connected, t("tui.health.serves"), t("tui.health.serves_detail", version, up, p.number("ai_gateway_inflight_requests"))),
		p.check(shed == 0, t("tui.health.load"), t("tui.health.load_detail", bytesOf(rss), p.number("go_goroutines"), p.number("process_open_fds"), short(int64(shed)))),
		p.check(panics == 0, t("tui.health.panics"), t("tui.health.panics_detail", short(int64(panics)))))
	if ends, ok := p.value("ai_gateway_tls_certificate_not_after_seconds"); ok && ends > 0 {
		const worry = 14 // days
		at := time.Unix(int64(ends), 0)
		left := int(at.Sub(a.o.Now()).Hours() / 24)
		out = append(out, p.check(left >= worry, t("tui.health.tls"), t("tui.health.tls_detail", at.Format(time.DateOnly), left)))
	}
	ledger, _ := p.value("ai_gateway_ledger_up")
	failures, _ := p.value("ai_gateway_ledger_failures_total")
	reserved, _ := p.value("ai_gateway_ledger_reserved_usd")
	st := p.status
	sync, took99 := 0.0, "–"
	if st.Ledger.SyncP99Ms != nil {
		sync, took99 = *st.Ledger.SyncP99Ms, took(*st.Ledger.SyncP99Ms)
	}
	out = append(out, "", section(t("tui.health.ledger")),
		p.check(ledger == 1 && failures == 0, t("tui.health.log"), t("tui.health.log_detail", p.number("ai_gateway_ledger_queue"), p.number("ai_gateway_ledger_entries_total"), short(int64(failures)))),
		p.check(sync < 1000, "fsync", t("tui.health.fsync_detail", took99)),
		p.check(st.Ledger.Error == "" && !st.Ledger.DiskIsFull, t("tui.health.store"), clean(st.Ledger.Error)+t("tui.health.store_detail", st.Store.Kind, bytesOf(float64(st.Store.Bytes)), st.Store.DayFiles, short(int64(st.Ledger.Lag)))),
		p.check(true, t("tui.health.holds"), t("tui.health.holds_detail", p.number("ai_gateway_ledger_open_holds"), money(api.USD(reserved*float64(api.Dollar))))))
	out = append(out, "", section(t("tui.health.breakers")))
	for i := range p.accounts {
		acc := &p.accounts[i]
		word, look := a.stateOf(acc)
		if look == nil {
			look = &a.th.muted
		}
		detail := ""
		if acc.Health != nil && acc.Health.LastError != "" {
			detail = a.lastError(acc.Health)
		}
		out = append(out, " "+look.Render(pad(word, 14, false))+" "+pad(clean(acc.Name), 18, false)+" "+a.th.muted.Render(detail))
	}
	out = append(out, "", section(t("tui.health.config", p.settings.Revision)))
	for _, x := range p.settings.Data {
		if x.Origin != "default" {
			out = append(out, "   "+pad(clean(x.Name), 28, false)+" "+clean(x.Value)+a.th.muted.Render("  "+clean(strings.TrimSpace(x.Origin+" "+x.Where))))
		}
	}
	return out
}

// doctorLines are what the doctor found.
func (p *healthPage) doctorLines() []string {
	if p.looking {
		return []string{" " + p.a.t("tui.health.looking"), ""}
	}
	var out []string
	for _, f := range p.findings {
		sign, look := "●", p.a.th.ok
		switch f.State {
		case "warn":
			sign, look = "▲", p.a.th.warn
		case "bad":
			sign, look = "✗", p.a.th.bad
		case "skipped":
			sign, look = "–", p.a.th.muted
		}
		out = append(out, " "+look.Render(sign+" "+pad(p.a.t("tui.state."+f.State), 8, false))+" "+pad(clean(f.Name), 14, false)+" "+clean(f.Detail))
		if f.Next != "" {
			out = append(out, "     → "+p.a.th.accent.Render(clean(f.Next)))
		}
	}
	if out != nil {
		out = append(out, "")
	}
	return out
}

func (p *healthPage) view(w, h int) string {
	switch {
	case p.err != nil:
		return "\n" + indent(wrapped(p.a.words(p.err), w-4)) + "\n\n" + strings.Join(p.doctorLines(), "\n")
	case !p.ready:
		return "\n  " + p.a.t("tui.loading")
	}
	lines := append(p.doctorLines(), p.lines()...)
	p.top = max(0, min(p.top, len(lines)-h))
	return strings.Join(lines[p.top:], "\n")
}

// lastError is what went wrong last with an account, and when, if that is known.
func (a *App) lastError(h *api.AccountHealth) string {
	if h.LastErrorAt == nil {
		return clean(h.LastError)
	}
	return a.ago(h.LastErrorAt) + ": " + clean(h.LastError)
}
